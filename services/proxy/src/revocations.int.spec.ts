import { once } from 'node:events';
import { connect } from 'node:net';
import { waitFor } from '@sandlot/testing';
import { WebSocket, WebSocketServer } from 'ws';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { rawUpstream, type RawServer } from './testing/raw-peers.js';

const change: [string, (proxy: ProxyUnderTest) => void, string][] = [
  ['a key that is revoked', (proxy) => proxy.directory.changeKey(proxy.alice, { status: 'revoked' }), 'key revoked'],
  ['a user who is disabled', (proxy) => proxy.directory.changeUser('alice', { status: 'disabled' }), 'user disabled'],
  ['a user who is deleted', (proxy) => proxy.directory.changeUser('alice', { status: 'deleted' }), 'user deleted'],
];

describe('what is open', () => {
  let proxy: ProxyUnderTest;
  let sandbox: RawServer;
  let server: WebSocketServer;

  beforeEach(async () => {
    proxy = await startProxy({ wake: { waker: { wake: () => Promise.resolve() } } });
    sandbox = await rawUpstream((socket, text) => {
      if (text.includes('/stream')) socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n');
    });
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    proxy.directory.addSandbox('alice', 's1', sandbox.address);
    proxy.directory.addSandbox('alice', 'ws', `127.0.0.1:${(server.address() as { port: number }).port}`);
    proxy.directory.addSandbox('alice', 'nap', '', { state: 'paused', ports: [] });
  });

  afterEach(async () => {
    await proxy.close();
    server.close();
    await sandbox.close();
  });

  const send = (head: string, key = proxy.alice) => {
    const socket = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    const client = { socket, text: '', gone: false };
    socket.on('data', (bytes: Buffer) => (client.text += bytes.toString())).on('close', () => (client.gone = true));
    socket.write(`${head}\r\nHost: x\r\nX-API-Key: ${key}\r\n\r\n`);
    return client;
  };
  const webSocket = async (path = '/proxy/ws/', key = proxy.alice) => {
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, { headers: { 'x-api-key': key } });
    await once(socket, 'open');
    return socket;
  };

  it.each(change)('by %s is ended, whatever it is', async (_, revoke, reason) => {
    const socket = await webSocket();
    const closed = once(socket, 'close');
    const tunnel = send('CONNECT s1:8888 HTTP/1.1');
    const stream = send('GET /proxy/s1/stream HTTP/1.1');
    const waiting = send('GET /proxy/s1/silent HTTP/1.1');
    const held = send('GET /proxy/nap/ HTTP/1.1');
    await waitFor(() => tunnel.text.includes(' 200 ') && stream.text.includes('event') && sandbox.received.length === 3);
    await waitFor(() => proxy.plane.held.waiting === 1);

    revoke(proxy);
    await waitFor(() => tunnel.gone && stream.gone && waiting.text.includes('401') && held.text.includes('401'));
    expect((await closed)[0]).toBe(1008);
    await waitFor(() => sandbox.sockets.size === 0, { describe: 'the sandbox to see the end' });
    await waitFor(() => proxy.records.length === 5, { describe: 'every record' });
    expect(proxy.records.map((record) => record.reason)).toEqual(Array(5).fill(reason));
  });

  it('by a request that asks the API is answered, though it should revoke its own key', async () => {
    const gateway = await rawUpstream((socket) => {
      other.directory.changeKey(other.alice, { status: 'revoked' });
      setImmediate(() => socket.write('HTTP/1.1 204 No Content\r\n\r\n'));
    });
    const other = await startProxy({ gatewayAddress: gateway.address });
    const ask = (method: string) =>
      fetch(`http://127.0.0.1:${other.port}/api/v1/me/apikeys/key_1`, { method, headers: { 'x-api-key': other.alice } });
    expect((await ask('DELETE')).status).toBe(204);
    expect((await ask('GET')).status).toBe(401);
    await other.close();
    await gateway.close();
  });

  it('by other keys and users goes on', async () => {
    const second = proxy.directory.addKey('alice', { keyId: `key_${'2'.repeat(26)}` as never });
    const socket = await webSocket('/proxy/ws/', second);
    const others = await webSocket('/alice/ws/', proxy.root);
    server.on('connection', () => undefined);
    for (const client of server.clients) client.on('message', (data) => client.send(data));
    proxy.directory.changeKey(proxy.alice, { status: 'revoked' });
    proxy.directory.changeUser('bob', { status: 'disabled' });
    for (const each of [socket, others]) {
      each.send('still here');
      expect(((await once(each, 'message')) as [Buffer])[0].toString()).toBe('still here');
      each.terminate();
    }
  });

  it('by a key that expires is ended, without anybody saying so', async () => {
    const socket = await webSocket('/proxy/ws/', proxy.directory.addKey('alice', { expiresAt: new Date(Date.now() + 300).toISOString() }));
    expect((await once(socket, 'close'))[0]).toBe(1008);
  });

  it('by an administrator in somebody else’s sandbox is ended with the role', async () => {
    const socket = await webSocket('/alice/ws/', proxy.root);
    const own = await webSocket();
    const closed = once(socket, 'close');
    proxy.directory.changeUser('root', { role: 'user' });
    expect((await closed)[0]).toBe(1008);
    expect(own.readyState).toBe(WebSocket.OPEN);
    own.terminate();
  });

  it('is not opened by a key that is revoked while it is being looked up', async () => {
    proxy.directory.slow = true;
    const tunnel = send('CONNECT s1:8888 HTTP/1.1');
    const route = proxy.directory.route.bind(proxy.directory);
    proxy.directory.route = (...asked) => {
      proxy.directory.changeKey(proxy.alice, { status: 'revoked' });
      proxy.directory.slow = false;
      return Promise.resolve(route(...asked));
    };
    await waitFor(() => tunnel.text.includes(' 401 '), { describe: 'the refusal' });
  });

  it('goes on while nobody can tell', async () => {
    const socket = await webSocket();
    proxy.directory.keys.clear();
    proxy.directory.away = true;
    proxy.directory.changeUser('alice', { status: 'disabled' });
    socket.ping();
    await once(socket, 'pong');
    socket.terminate();
  });
});
