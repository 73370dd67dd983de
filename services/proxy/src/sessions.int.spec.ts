import { once } from 'node:events';
import { connect } from 'node:net';
import { waitFor } from '@sandlot/testing';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, isWholeResponse, sendRaw, type HttpServer } from './testing/raw-peers.js';

const id = 'sbx_01k9zq4m3te1sbr8v0yk2n6d5x';
const name = id.replace('_', '-');

describe('a session', () => {
  let proxy: ProxyUnderTest;
  let sandbox: HttpServer;
  let waiting = 0;

  beforeAll(async () => {
    proxy = await startProxy({ wake: { waker: { wake: () => Promise.resolve() } } });
    sandbox = await httpUpstream((request, response) => {
      if (request.url === '/slow') waiting += 1;
      else response.end(`session ${request.url}`);
    });
  });
  beforeEach(() => {
    const ports = [{ name: 'ssh', port: 22, address: sandbox.address }];
    proxy.directory.addSandbox('alice', name, sandbox.address, { ports });
  });
  afterAll(async () => {
    await proxy.close();
    await sandbox.close();
  });

  const get = (path: string, key = proxy.alice) => fetch(proxy.url + path, { headers: { 'x-api-key': key } });
  const tunnel = (to: string, key = proxy.alice) =>
    sendRaw(proxy.port, `CONNECT ${to} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Bearer ${key}\r\n\r\n`, isWholeResponse);

  it.each([id, name])('is reached as %s', async (as) => {
    expect(await (await get(`/proxy/${as}/x`)).text()).toBe('session /x');
    expect(await (await get(`/alice/${as}/x`, proxy.root)).text()).toBe('session /x');
    expect((await get(`/alice/${as}/x`, proxy.bob)).status).toBe(404);
  });

  it('has a tunnel by its id (S4-05)', async () => {
    const open = await sendRaw(
      proxy.port,
      `CONNECT /v1/sessions/${id}/tunnel HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Bearer ${proxy.alice}\r\n\r\n`,
      (text) => text.includes('200 Connection Established'),
    );
    expect(open.status).toBe(200);
    expect((await tunnel(`/v1/sessions/${id}/tunnel`, proxy.bob)).status).toBe(404);
    expect((await tunnel('/v1/sessions/sbx_1/tunnel')).status).toBe(405);
  });

  it.each(['deleting', 'deleted'] as const)(
    'whose time is over is 410 with the reason to its owner while it is %s (S4-18)',
    async (state) => {
      proxy.directory.changeRoute('alice', name, { state, ports: [], reason: 'EXPIRED' });
      const answer = await get(`/proxy/${id}/`);
      expect([answer.status, await answer.json()]).toEqual([410, expect.objectContaining({ code: 'SANDBOX_GONE', reason: 'EXPIRED' })]);
      expect((await tunnel(`/v1/sessions/${id}/tunnel`)).status).toBe(410);
      expect((await get(`/alice/${id}/`, proxy.bob)).status).toBe(404);
    },
  );

  it('whose time is over loses what is open in that moment, and no other does (S4-18)', async () => {
    proxy.directory.addSandbox('alice', 'other', sandbox.address);
    const open = (to: string) => {
      const socket = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
      socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Bearer ${proxy.alice}\r\n\r\n`);
      return socket;
    };
    const [mine, other] = [open(`${name}:22`), open('other:8888')];
    await Promise.all([once(mine, 'data'), once(other, 'data')]);
    const slow = get(`/proxy/${id}/slow`);
    await waitFor(() => waiting === 1, { describe: 'a request to be under way' });
    proxy.directory.changeRoute('alice', name, { state: 'deleting', ports: [], reason: 'EXPIRED' });
    expect((await slow).status).toBe(410);
    await waitFor(() => mine.closed);
    expect(proxy.records.map(({ reason }) => reason)).toContain('the sandbox is gone: EXPIRED');
    expect(other.closed).toBe(false);
    other.destroy();
  });

  it('that its owner has deleted is not found', async () => {
    proxy.directory.changeRoute('alice', name, { state: 'deleting', ports: [] });
    expect((await get(`/proxy/${id}/`)).status).toBe(404);
  });

  it('whose time is over before it has woken says so to who waits', async () => {
    proxy.directory.changeRoute('alice', name, { state: 'paused', ports: [] });
    const answer = get(`/proxy/${id}/`);
    await waitFor(() => proxy.plane.held.waiting === 1);
    proxy.directory.changeRoute('alice', name, { state: 'deleting', reason: 'IDLE' });
    expect([(await answer).status, await (await answer).json()]).toEqual([410, expect.objectContaining({ reason: 'IDLE' })]);
  });
});
