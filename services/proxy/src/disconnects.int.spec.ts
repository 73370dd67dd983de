import { connect } from 'node:net';
import { waitFor } from '@sandlot/testing';
import { rawUpstream, type RawServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

describe('a client that goes', () => {
  let proxy: ProxyUnderTest;
  let upstream: RawServer;

  beforeEach(async () => {
    proxy = await startProxy();
  });

  afterEach(async () => {
    await proxy.close();
    await upstream.close();
  });

  const HEAD = () => `Host: x\r\nX-API-Key: ${proxy.alice}\r\n`;
  const start = async (onText: Parameters<typeof rawUpstream>[0]) => {
    upstream = await rawUpstream(onText);
    proxy.directory.addSandbox('alice', 's1', upstream.address);
  };

  it.each([
    ['before there is an answer', 'GET /proxy/s1/ HTTP/1.1\r\nHEAD\r\n', '', 499],
    ['in the middle of its upload', 'POST /proxy/s1/ HTTP/1.1\r\nHEADContent-Length: 1000\r\n\r\nstart', '', 499],
    ['in the middle of a chunk', 'POST /proxy/s1/ HTTP/1.1\r\nHEADTransfer-Encoding: chunked\r\n\r\n10\r\nstart', '', 499],
    [
      'in the middle of a stream',
      'GET /proxy/s1/ HTTP/1.1\r\nHEAD\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n',
      200,
    ],
  ])('%s takes its connection to the sandbox with it, at once', async (_, request, answer, status) => {
    for (const go of ['end', 'resetAndDestroy'] as const) {
      await start((socket) => answer && socket.write(answer));
      const client = connect(proxy.port, '127.0.0.1');
      client.on('error', () => undefined);
      let text = '';
      client.on('data', (bytes: Buffer) => (text += bytes.toString()));
      client.write(request.replace('HEAD', HEAD()));
      await waitFor(() => upstream.received.some((got) => got.includes('\r\n\r\n')) && (!answer || text.includes('event')), {
        describe: 'the request',
      });
      client[go]();
      await waitFor(() => upstream.sockets.size === 0, { describe: 'the sandbox to see the end' });
      await waitFor(() => proxy.records.at(-1), { describe: 'the record' });
      expect(proxy.records.at(-1)).toMatchObject({ status, reason: 'the client closed the connection' });
      expect(upstream.received.join('')).not.toContain('\r\n0\r\n\r\n');
      client.destroy();
      proxy.records.length = 0;
      if (go === 'end') await upstream.close();
    }
  });

  it('takes all that it had pipelined with it', async () => {
    await start(() => undefined);
    const client = connect(proxy.port, '127.0.0.1');
    client.write(`GET /proxy/s1/1 HTTP/1.1\r\n${HEAD()}\r\nGET /proxy/s1/2 HTTP/1.1\r\n${HEAD()}\r\n`);
    await waitFor(() => upstream.received.length === 2, { describe: 'both requests' });
    client.destroy();
    await waitFor(() => upstream.sockets.size === 0, { describe: 'both connections to end' });
    await waitFor(() => proxy.records.length === 2, { describe: 'both records' });
  });

  it('leaves nothing behind, a thousand times over', async () => {
    await start(
      (socket, text) => text.endsWith('/a') || socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n'),
    );
    for (let round = 0; round < 20; round++) {
      const clients = Array.from({ length: 50 }, () => {
        const client = connect(proxy.port, '127.0.0.1');
        client.on('error', () => undefined);
        client.once('data', () => client.resetAndDestroy());
        client.write(`GET /proxy/s1/ HTTP/1.1\r\n${HEAD()}\r\n`);
        return new Promise((done) => client.once('close', done));
      });
      await Promise.all(clients);
    }
    await waitFor(
      () => ({ ...proxy.plane.held, sockets: upstream.sockets.size, records: proxy.records.length }),
      { describe: 'nothing held' },
      (held) => expectNothing(held),
    );
  });
});

function expectNothing(held: {
  clients: number;
  upstreams: number;
  openConnections: number;
  places: number;
  sockets: number;
  records: number;
}): boolean {
  return (
    held.clients === 0 &&
    held.upstreams === 0 &&
    held.openConnections === 0 &&
    held.places === 0 &&
    held.sockets === 0 &&
    held.records === 1000
  );
}
