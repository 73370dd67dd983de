import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { once } from 'node:events';
import { waitFor } from '@sandlot/testing';
import { WebSocket, WebSocketServer } from 'ws';
import { httpUpstream, rawUpstream, sendRaw } from './testing/raw-peers.js';
import { startProxy } from './testing/proxy-under-test.js';

describe('draining', () => {
  it('finishes what is under way, tells kept connections to go, and takes no new ones', async () => {
    const proxy = await startProxy();
    let finish: () => void = () => undefined;
    const upstream = await httpUpstream((_, response) => (finish = () => response.end('done')));
    proxy.directory.addSandbox('alice', 's1', upstream.address);
    const idle = connect(proxy.port, '127.0.0.1');
    await once(idle, 'connect');
    const running = sendRaw(proxy.port, `GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n\r\n`);
    await waitFor(() => upstream.requests.length === 1, { describe: 'the request at the sandbox' });

    const closed = proxy.plane.close({ graceMs: 10_000 });
    await waitFor(async () => (await sendRaw(proxy.port, 'GET / HTTP/1.1\r\n\r\n')).ended === 'reset', {
      describe: 'new connections to be refused',
    });
    idle.destroy();
    finish();
    expect(await running).toMatchObject({ status: 200, ended: 'end', text: expect.stringMatching(/connection: close[^]*done/i) });
    await closed;
    expect(proxy.plane.held).toEqual({ clients: 0, upstreams: 0, openConnections: 0, waiting: 0, places: 0 });
    await upstream.close();
  });

  it('lets WebSockets go on for the time given, then says goodbye', async () => {
    const proxy = await startProxy();
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    await once(server, 'listening');
    proxy.directory.addSandbox('alice', 's1', `127.0.0.1:${(server.address() as { port: number }).port}`);
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/proxy/s1/`, { headers: { 'x-api-key': proxy.alice } });
    await once(socket, 'open');
    const closed = proxy.plane.close({ graceMs: 500 });
    socket.send('still here');
    expect(((await once(socket, 'message')) as [Buffer])[0].toString()).toBe('still here');
    const [[code]] = await Promise.all([once(socket, 'close') as Promise<[number]>, closed]);
    expect(code).toBe(1001);
    expect(proxy.records).toMatchObject([{ kind: 'websocket', status: 101 }]);
    server.close();
  });

  it('says goodbye behind the frame that is passing, to both sides, and cuts one that does not end', async () => {
    const proxy = await startProxy();
    const accept = createHash('sha1').update('dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
    const upgraded = `HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
    const started = Buffer.from([0x82, 10, 1, 2, 3]); // 3 of 10 bytes
    const upstream = await rawUpstream((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write(Buffer.concat([Buffer.from(upgraded), started]));
    });
    proxy.directory.addSandbox('alice', 's1', upstream.address);
    const open = async () => {
      const client = connect(proxy.port, '127.0.0.1');
      let received = Buffer.alloc(0);
      client.on('data', (bytes: Buffer) => (received = Buffer.concat([received, bytes])));
      client.write(
        `GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      await waitFor(() => received.subarray(-5).equals(started), { describe: 'the beginning of the frame' });
      return { client, after: () => received.subarray(received.lastIndexOf(started)).toString('hex') };
    };
    const [first, second] = [await open(), await open()];
    const closed = proxy.plane.close({ graceMs: 0 });
    await waitFor(() => upstream.received.every((text) => text.endsWith('\r\n\r\n') === false), { describe: 'the Close frame inside' });
    const [socket] = [...upstream.sockets];
    socket!.write(Buffer.from([4, 5, 6, 7, 8, 9, 10, 0x81, 1, 0x78])); // the rest of the frame, and another
    await Promise.all([once(first.client, 'close'), once(second.client, 'close'), closed]);
    expect(first.after()).toBe('820a0102030405060708090a' + '880203e9');
    expect(second.after()).toBe('820a010203');
    expect(proxy.records.map(({ reason }) => reason)).toEqual(Array(2).fill('the proxy is stopping'));
    await upstream.close();
  });

  it('does not wait for clients longer than the time given', async () => {
    const proxy = await startProxy();
    const upstream = await httpUpstream(() => undefined);
    proxy.directory.addSandbox('alice', 's1', upstream.address);
    const running = sendRaw(proxy.port, `GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n\r\n`);
    await waitFor(() => upstream.requests.length === 1, { describe: 'the request at the sandbox' });
    await proxy.plane.close({ graceMs: 100 });
    expect((await running).status).toBe(0);
    await upstream.close();
  });

  it('cuts a tunnel whose client does not read what it is still sent', async () => {
    const proxy = await startProxy();
    const upstream = await rawUpstream((socket) => socket.write(Buffer.alloc(64 * 1024 * 1024)));
    proxy.directory.addSandbox('alice', 's1', upstream.address);
    const client = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    client.write(`CONNECT s1:8888 HTTP/1.1\r\nHost: s1:8888\r\nProxy-Authorization: Bearer ${proxy.alice}\r\n\r\nmore`);
    await once(client, 'data');
    client.pause();
    await waitFor(() => [...proxy.plane.open].some(({ socket }) => socket.writableLength > 0), { describe: 'the client to take no more' });
    await proxy.plane.close({ graceMs: 0 });
    await waitFor(() => upstream.sockets.size === 0, { describe: 'the sandbox to see the end' });
    expect(proxy.records).toMatchObject([{ kind: 'tunnel', reason: 'the proxy is stopping' }]);
    client.destroy();
    await upstream.close();
  });
});
