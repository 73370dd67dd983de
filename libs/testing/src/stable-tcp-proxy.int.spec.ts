import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { atEnd, stableTcpProxy, waitFor, type StableTcpProxy } from './index.js';

/** Answers with its name and what it got. */
async function echo(name: string): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => socket.write(`${name}:${chunk}`));
    socket.on('end', () => socket.end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function client(proxy: StableTcpProxy) {
  const socket = connect(proxy.port, '127.0.0.1');
  const seen = { text: '', closed: false };
  socket
    .on('data', (chunk) => (seen.text += chunk))
    .on('error', () => undefined)
    .on('close', () => (seen.closed = true));
  atEnd(() => socket.destroy());
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined); // a cut may come first
  return { socket, seen };
}

describe('the proxy on a stable port', () => {
  it('passes bytes and ends in both directions', async () => {
    const { socket, seen } = await client(await stableTcpProxy(await echo('a')));
    socket.end('hello');
    await waitFor(() => seen.closed);
    expect(seen.text).toBe('a:hello');
  });

  it('breaks connections when it is cut, and takes new ones when restored', async () => {
    const proxy = await stableTcpProxy(await echo('a'));
    const before = await client(proxy);
    proxy.cut();
    await waitFor(() => before.seen.closed, { describe: 'the connection is broken' });
    const during = await client(proxy);
    await waitFor(() => during.seen.closed, { describe: 'a new connection is broken' });
    proxy.restore();
    const after = await client(proxy);
    after.socket.write('again');
    await waitFor(() => after.seen.text === 'a:again');
  });

  it('keeps connections open and silent when it stalls, and delivers when restored', async () => {
    const proxy = await stableTcpProxy(await echo('a'));
    const old = await client(proxy);
    old.socket.write('1');
    await waitFor(() => old.seen.text === 'a:1');
    proxy.stall();
    const fresh = await client(proxy);
    old.socket.write('2');
    fresh.socket.write('3');
    await expect(waitFor(() => old.seen.text !== 'a:1' || fresh.seen.text !== '' || old.seen.closed, { within: 150 })).rejects.toThrow(
      'waited',
    );
    proxy.restore();
    await waitFor(() => old.seen.text === 'a:1a:2' && fresh.seen.text === 'a:3');
  });

  it('delays what passes, in order', async () => {
    const proxy = await stableTcpProxy(await echo('a'));
    const { socket, seen } = await client(proxy);
    proxy.delay(50);
    const begin = performance.now();
    socket.write('1');
    await waitFor(() => seen.text === 'a:1', { every: 1 });
    expect(performance.now() - begin).toBeGreaterThanOrEqual(95);
  });

  it('stays while the server behind it moves', async () => {
    const proxy = await stableTcpProxy(await echo('a'));
    proxy.cut();
    proxy.retarget(await echo('b'));
    proxy.restore();
    const { socket, seen } = await client(proxy);
    socket.write('x');
    await waitFor(() => seen.text === 'b:x');
  });
});
