import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { certificateAuthority, type Certificate } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { WebSocket, WebSocketServer } from 'ws';
import { CertificateRule } from './client-certificate.js';
import type { Credentials } from './public-server.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, rawUpstream, type HttpServer, type RawServer } from './testing/raw-peers.js';

const authority = certificateAuthority('authority');
const clients = certificateAuthority('clients');
const issue = (commonName: string) => {
  const { certificate: cert, key } = authority.issue({ commonName, names: ['127.0.0.1'] });
  return { cert, key, ca: clients.certificate };
};
const pem = ({ certificate: cert, key }: Certificate) => ({ cert, key });

describe('over TLS', () => {
  let proxy: ProxyUnderTest;
  let sandbox: HttpServer;
  let echo: RawServer;
  let renew: (credentials: Credentials) => void;

  beforeEach(async () => {
    const onChange = (listener: typeof renew) => void (renew = listener);
    proxy = await startProxy({ tls: { credentials: issue('first'), onChange, clients: new CertificateRule('CN={username}') } });
    sandbox = await httpUpstream((incoming, response) => {
      incoming.resume().on('end', () => response.end(JSON.stringify(incoming.headers)));
    });
    echo = await rawUpstream((socket, text) => socket.write(text.slice(-1)));
    proxy.directory.addSandbox('alice', 's1', sandbox.address);
    proxy.directory.addSandbox('alice', 'echo', echo.address);
    proxy.directory.addSandbox('bob', 's2', sandbox.address);
  });

  afterEach(async () => {
    await proxy.close();
    await sandbox.close();
    await echo.close();
  });

  interface Asked extends ConnectionOptions {
    headers?: Record<string, string>;
    agent?: Agent;
    path?: string;
    method?: string;
  }
  const ask = ({ headers, path = '/proxy/s1/', ...options }: Asked = {}) =>
    new Promise<{ status: number; text: string; peer: string }>((done, failed) => {
      const asked = { host: '127.0.0.1', port: proxy.port, path, headers, ca: authority.certificate, ...options };
      const sent = request(asked, (response) => {
        const peer = (response.socket as TLSSocket).getPeerCertificate().subject.CN as string;
        let text = '';
        response.on('data', (bytes: Buffer) => (text += bytes.toString()));
        response.on('end', () => done({ status: response.statusCode!, text, peer }));
      });
      sent.on('error', failed).end();
    });
  const key = () => ({ 'x-api-key': proxy.alice });
  const socket = async (options: ConnectionOptions = {}) => {
    const opened = connect({ host: '127.0.0.1', port: proxy.port, ca: authority.certificate, ...options });
    await once(opened, 'secureConnect');
    return opened;
  };

  it('serves HTTP/1.1, and tells the sandbox that it was https (S0-59, S4-09)', async () => {
    const { status, text } = await ask({ headers: key() });
    expect([status, JSON.parse(text)]).toEqual([
      200,
      expect.objectContaining({ 'x-forwarded-proto': 'https', 'x-forwarded-for': '127.0.0.1' }),
    ]);
  });

  it('serves WebSockets and tunnels (S0-59)', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    server.on('connection', (client) => client.on('message', (data) => client.send(data)));
    proxy.directory.addSandbox('alice', 'ws', `127.0.0.1:${(server.address() as { port: number }).port}`);
    const client = new WebSocket(`wss://127.0.0.1:${proxy.port}/proxy/ws/`, { headers: key(), ca: authority.certificate });
    await once(client, 'open');
    client.send('hello');
    expect(String(((await once(client, 'message')) as [Buffer])[0])).toBe('hello');
    client.terminate();
    server.close();

    const tunnel = await socket();
    tunnel.write(`CONNECT echo:8888 HTTP/1.1\r\nHost: echo:8888\r\nX-API-Key: ${proxy.alice}\r\n\r\n`);
    expect(String(await once(tunnel, 'data'))).toContain(' 200 ');
    tunnel.write('x');
    expect(String(await once(tunnel, 'data'))).toBe('x');
    tunnel.destroy();
    await waitFor(() => echo.sockets.size === 0, { describe: 'the sandbox to see the end' });
  });

  it('speaks TLS 1.2 and 1.3, and nothing older, nor anything without TLS', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const opened = await socket({ minVersion: version, maxVersion: version });
      expect(opened.getProtocol()).toBe(version);
      opened.destroy();
    }
    await expect(socket({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })).rejects.toThrow();
    await expect(fetch(`http://127.0.0.1:${proxy.port}/`)).rejects.toThrow();
    expect((await ask({ headers: key() })).status).toBe(200);
  });

  it('takes a new certificate without dropping a connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: authority.certificate });
    expect(await ask({ headers: key(), agent })).toMatchObject({ status: 200, peer: 'first' });
    renew(issue('second'));
    expect(await ask({ headers: key(), agent })).toMatchObject({ status: 200, peer: 'first' });
    expect(await ask({ headers: key() })).toMatchObject({ status: 200, peer: 'second' });
    agent.destroy();
  });

  it('ends with the proxy', async () => {
    const opened = await socket();
    const closed = once(opened, 'close');
    await Promise.all([proxy.close(), closed]);
    await waitFor(() => proxy.plane.held.clients === 0, { describe: 'nobody to be left' });
    proxy.close = () => Promise.resolve();
  });

  describe('a client certificate', () => {
    it('signs its user in, who needs no key (S0-65, S1-25)', async () => {
      const alice = pem(clients.issue({ commonName: 'alice' }));
      expect((await ask({ ...alice })).status).toBe(200);
      expect((await ask({ ...alice, path: '/alice/s1/' })).status).toBe(200);
      expect((await ask({ ...alice, path: '/bob/s2/' })).status).toBe(404);
      expect(proxy.records[0]).toMatchObject({ username: 'alice', keyId: expect.stringMatching(/^cert:[0-9a-f]{16}$/) });
    });

    it('gives way to a credential in the request, also to one that is wrong', async () => {
      const alice = pem(clients.issue({ commonName: 'alice' }));
      expect((await ask({ ...alice, path: '/proxy/s2/', headers: { 'x-api-key': proxy.bob } })).status).toBe(200);
      expect((await ask({ ...alice, headers: { authorization: 'Bearer nonsense' } })).status).toBe(401);
    });

    it.each<[string, () => Asked, string]>([
      ['of another authority', () => pem(authority.issue({ commonName: 'alice' })), 'no key'],
      ['of nobody of ours', () => pem(clients.issue({ commonName: 'mallory' })), 'unknown user'],
      ['of no name', () => pem(clients.issue({ commonName: 'Alice A.' })), 'unknown user'],
      ['that has expired', () => pem(clients.issue({ commonName: 'alice', expiresAt: Date.now() - 60_000 })), 'no key'],
    ])('%s is not accepted', async (_, certificate, reason) => {
      expect((await ask(certificate())).status).toBe(401);
      expect(proxy.records.at(-1)).toMatchObject({ reason });
      expect((await ask({ ...certificate(), headers: key() })).status).toBe(200);
    });

    it('is not accepted for what a page of another origin asks for', async () => {
      const headers = { origin: 'https://evil.example' };
      const { status, text } = await ask({ ...pem(clients.issue({ commonName: 'alice' })), headers });
      expect([status, JSON.parse(text)]).toEqual([403, expect.objectContaining({ code: 'FORBIDDEN' })]);
    });

    it('is out with its user, and so is what is open by it', async () => {
      const tunnel = await socket(pem(clients.issue({ commonName: 'alice' })));
      tunnel.write('CONNECT echo:8888 HTTP/1.1\r\nHost: echo:8888\r\n\r\n');
      expect(String(await once(tunnel, 'data'))).toContain(' 200 ');
      proxy.directory.changeUser('alice', { status: 'disabled' });
      await once(tunnel.resume(), 'close');
      await waitFor(() => proxy.records.length === 1, { describe: 'the record' });
      expect(proxy.records[0]).toMatchObject({ kind: 'tunnel', reason: 'user disabled' });
      expect((await ask({ ...pem(clients.issue({ commonName: 'alice' })) })).status).toBe(401);
    });
  });
});
