import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { describeUnless, tempDir, testTool } from '@sandlot/testing';
import { WebSocketServer } from 'ws';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const kosoku = testTool('kosoku');

/**
 * The case files of the Autobahn suite, on a runner that is kept alive: what a WebSocket server does through the proxy is what it does without.
 * Left out are the cases of large messages and of compression, which take minutes, and those that the runner itself fails.
 */
describeUnless(kosoku ? undefined : 'kosoku is not installed; scripts/install-test-programs.sh')('kosoku', () => {
  let proxy: ProxyUnderTest;
  let sandbox: WebSocketServer;
  let relay: Server;

  beforeAll(async () => {
    proxy = await startProxy();
    sandbox = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
    sandbox.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    await once(sandbox, 'listening');
    proxy.directory.addSandbox('alice', 's1', `127.0.0.1:${(sandbox.address() as AddressInfo).port}`);
    relay = withKey(proxy);
    await once(relay, 'listening');
  });

  afterAll(async () => {
    relay.close();
    await proxy.close();
    for (const socket of sandbox.clients) socket.terminate();
    sandbox.close();
  });

  it('S0-32 finds the same through the proxy as without it, and nothing that fails', async () => {
    const direct = await verdicts((sandbox.address() as AddressInfo).port);
    const proxied = await verdicts((relay.address() as AddressInfo).port);
    expect(Object.keys(direct).length).toBeGreaterThanOrEqual(247);
    expect(proxied).toEqual(direct);
    expect(Object.entries(proxied).filter(([, verdict]) => !['OK', 'NON-STRICT', 'INFORMATIONAL'].includes(verdict))).toEqual([]);
  }, 120_000);
});

/** The suite knows no headers and no paths: this writes both into the first line of each connection, and then passes bytes. */
function withKey({ port, alice }: ProxyUnderTest): Server {
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    client.once('data', (bytes: Buffer) => {
      const text = bytes.toString('latin1').replace(/^GET \S+ HTTP\/1\.1\r\n/, `GET /proxy/s1/ HTTP/1.1\r\nX-API-Key: ${alice}\r\n`);
      upstream.write(text, 'latin1');
      client.pipe(upstream).pipe(client);
    });
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  return server.listen(0, '127.0.0.1');
}

async function verdicts(port: number): Promise<Record<string, string>> {
  const folder = await tempDir();
  const args = ['-m', 'fuzzingclient', '-x', '9.*', '-x', '12.*', '-x', '13.*', '-p', '4', '-o', folder, `127.0.0.1:${port}`];
  const child = spawn(kosoku!, args, { stdio: 'ignore' });
  await once(child, 'exit');
  const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as Record<string, Record<string, { behavior: string }>>;
  return Object.fromEntries(Object.values(index).flatMap((cases) => Object.entries(cases).map(([id, { behavior }]) => [id, behavior])));
}
