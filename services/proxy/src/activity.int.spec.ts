import { connect as connectNats, type NatsConnection } from '@nats-io/transport-node';
import { ACTIVITY_SUBJECT, ActivityReport } from '@sandlot/contracts';
import { startTestNats, waitFor } from '@sandlot/testing';
import { once } from 'node:events';
import { connect } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { Activity } from './activity.js';
import { ActivityReporter } from './adapters/activity-reporter.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, type HttpServer } from './testing/raw-peers.js';

describe('use of a sandbox that has a limit of idle time', () => {
  let proxy: ProxyUnderTest;
  let sandbox: HttpServer;
  let sockets: WebSocketServer;
  let activity: Activity;
  let id: string;

  beforeEach(async () => {
    activity = new Activity();
    proxy = await startProxy({ activity });
    sandbox = await httpUpstream((request, response) => response.end('hello'));
    sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(sockets, 'listening');
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    const { port } = sockets.address() as { port: number };
    const ports = [
      { name: 'http', port: 8888, address: sandbox.address },
      { name: 'ws', port: 9000, address: `127.0.0.1:${port}` },
    ];
    proxy.directory.addSandbox('alice', 's1', sandbox.address, { ports, idleTimeoutSeconds: 60 });
    proxy.directory.addSandbox('alice', 'lasting', sandbox.address);
    id = proxy.directory.routes.get('alice.s1')!.sandboxId;
  });

  afterEach(async () => {
    await proxy.close();
    await sandbox.close();
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
  });

  const get = async (path: string, key = proxy.alice) => (await fetch(proxy.url + path, { headers: { 'x-api-key': key } })).status;
  const quiet = () => waitFor(() => activity.take().length === 0, { describe: 'nothing to be in use' });

  it('is every request for it, and none for others', async () => {
    expect(await get('/proxy/lasting/')).toBe(200);
    expect(activity.take()).toEqual([]);
    expect(await get('/proxy/s1/')).toBe(200);
    expect(activity.take()).toEqual([id]);
    await quiet();
  });

  it('is no request of somebody who may not', async () => {
    expect([await get('/alice/s1/', proxy.bob), await get('/proxy/s1/', 'slk_none')]).toEqual([404, 401]);
    expect(activity.take()).toEqual([]);
  });

  it('is what passes through a WebSocket, not that it is open', async () => {
    const socket = new WebSocket(`${proxy.url.replace('http', 'ws')}/proxy/s1:ws/`, { headers: { 'x-api-key': proxy.alice } });
    await once(socket, 'open');
    await quiet();
    socket.send('hello');
    await once(socket, 'message');
    expect(activity.take()).toEqual([id]);
    await quiet();
    socket.close();
    await once(socket, 'close');
  });

  it('is what passes through a tunnel', async () => {
    const tunnel = connect(proxy.port, '127.0.0.1');
    tunnel.write(`CONNECT s1:http HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Bearer ${proxy.alice}\r\n\r\n`);
    await once(tunnel, 'data');
    await quiet();
    tunnel.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(tunnel, 'data');
    expect(activity.take()).toEqual([id]);
    tunnel.destroy();
  });
});

describe('the proxies’ reports', () => {
  const id = 'sbx_01k9zq4m3te1sbr8v0yk2n6d5x';
  let connection: NatsConnection;

  beforeAll(async () => {
    connection = await connectNats({ servers: (await startTestNats()).url });
  });
  afterAll(() => connection.close());

  it('come regularly, name what was used since the last, and go on when nothing was', async () => {
    const reports: ActivityReport[] = [];
    connection.subscribe(ACTIVITY_SUBJECT, { callback: (_, message) => void reports.push(ActivityReport.parse(message.json())) });
    await connection.flush();
    const reporter = new ActivityReporter(connection, 20);
    const used = () => reports.flatMap((report) => report.used);
    await waitFor(() => reports.length >= 2);
    expect(used()).toEqual([]);
    const once = [id];
    reporter.activity.take = () => once.splice(0);
    await waitFor(() => used().length > 0);
    reporter.close();
    await waitFor(() => reports.at(-1)!.leaving, { describe: 'the last report' });
    expect(used()).toEqual([id]);
    expect(new Set(reports.map(({ proxy }) => proxy)).size).toBe(1);
  });
});
