import { connect } from 'node:net';
import { once } from 'node:events';
import { waitFor } from '@sandlot/testing';
import { WebSocket, WebSocketServer } from 'ws';
import { httpUpstream, sendRaw } from './testing/raw-peers.js';
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
    expect(proxy.plane.held).toEqual({ clients: 0, upstreams: 0, webSockets: 0 });
    await upstream.close();
  });

  it('lets WebSockets go on for the time given, then closes them', async () => {
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
    await Promise.all([closed, once(socket, 'close')]);
    expect(proxy.records).toMatchObject([{ kind: 'websocket', status: 101 }]);
    server.close();
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
});
