import { once } from 'node:events';
import { newId } from '@sandlot/kernel';
import { waitFor } from '@sandlot/testing';
import type { JWTPayload } from 'jose';
import { WebSocket, WebSocketServer } from 'ws';
import { Jwks } from './adapters/jwks.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, sendRaw, type HttpServer } from './testing/raw-peers.js';
import { IssuerUnderTest } from './testing/token-issuer.js';
import { LEEWAY_SECONDS, Tokens, type TrustedIssuer } from './tokens.js';

describe('who comes with a token', () => {
  let issuer: IssuerUnderTest;
  let proxy: ProxyUnderTest;
  let sandbox: HttpServer;
  let server: WebSocketServer;

  beforeEach(async () => {
    issuer = await IssuerUnderTest.start();
    proxy = await startProxy({ tokens: new Tokens([trusted()]) });
    sandbox = await httpUpstream((request, response) => response.end(JSON.stringify(request.rawHeaders)));
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    proxy.directory.addSandbox('alice', 's1', sandbox.address);
    proxy.directory.addSandbox('bob', 's2', sandbox.address);
    proxy.directory.addSandbox('alice', 'ws', `127.0.0.1:${(server.address() as { port: number }).port}`);
  });

  afterEach(async () => {
    await proxy.close();
    server.close();
    await sandbox.close();
    await issuer.close();
  });

  const trusted = (changes: Partial<TrustedIssuer> = {}): TrustedIssuer => ({
    name: 'corp',
    issuer: issuer.issuer,
    audience: 'sandlot',
    algorithms: ['ES256'],
    userClaim: 'sub',
    userBy: 'username',
    keys: new Jwks({ url: issuer.jwksUrl }),
    ...changes,
  });
  const get = async (token: string, path = '/proxy/s1/', to = proxy) => {
    const response = await fetch(`${to.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    return { status: response.status, text: await response.text() };
  };
  const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

  it('is the user whom it names, and the sandbox does not see it (S4-08, S1-25)', async () => {
    const token = await issuer.token();
    const { status, text } = await get(token);
    expect(status).toBe(200);
    expect(text).not.toContain(token.slice(-20));
    expect((await get(token, '/alice/s1/')).status).toBe(200);
    expect((await get(token, '/bob/s2/')).status).toBe(404);
    const userId = [...proxy.directory.users.values()].find(({ username }) => username === 'alice')!.userId;
    expect(proxy.records[0]).toMatchObject({ status: 200, username: 'alice', userId, keyId: 'jwt:corp:alice' });
  });

  it('has the role that our user has, whatever the token says', async () => {
    proxy.directory.addUser('chief', { role: 'admin' });
    expect((await get(await issuer.token({ role: 'admin', roles: ['admin'] }), '/bob/s2/')).status).toBe(404);
    expect((await get(await issuer.token({ sub: 'chief', role: 'user' }), '/bob/s2/')).status).toBe(200);
  });

  it.each<[string, JWTPayload, string]>([
    ['nobody of ours', { sub: 'mallory' }, 'unknown user'],
    ['what is no name', { sub: '../alice' }, 'unknown user'],
    ['an id where a name is asked for', { sub: `usr_alice${'0'.repeat(21)}` }, 'unknown user'],
    ['a user who is disabled', { sub: 'bob' }, 'user disabled'],
    ['another audience', { aud: 'other' }, 'token whose claim aud does not hold'],
  ])('for %s is refused (S4-19)', async (_, claims, reason) => {
    proxy.directory.changeUser('bob', { status: 'disabled' });
    const { status, text } = await get(await issuer.token(claims));
    expect([status, JSON.parse(text)]).toEqual([
      401,
      expect.objectContaining({ code: 'UNAUTHENTICATED', detail: 'The token is not valid' }),
    ]);
    expect(proxy.records.at(-1)).toMatchObject({ status: 401, reason });
  });

  it('is found by the id, where the issuer knows it', async () => {
    const userId = newId('usr');
    const other = await startProxy({ tokens: new Tokens([trusted({ userBy: 'id' })]) });
    other.directory.users.set(userId, { userId, username: 'carol', role: 'user', status: 'active' });
    other.directory.addSandbox('carol', 's1', sandbox.address, { owner: userId });
    expect((await get(await issuer.token({ sub: userId }), '/proxy/s1/', other)).status).toBe(200);
    expect((await get(await issuer.token({ sub: 'carol' }), '/proxy/s1/', other)).status).toBe(401);
    await other.close();
  });

  it('is let in by the issuer’s next key, without a restart', async () => {
    const keys = new Jwks({ url: issuer.jwksUrl, cooldownMs: 0 });
    const other = await startProxy({ tokens: new Tokens([trusted({ keys })]) });
    other.directory.addSandbox('alice', 's1', sandbox.address);
    expect((await get(await issuer.token(), '/proxy/s1/', other)).status).toBe(200);
    await issuer.rotate('second');
    expect((await get(await issuer.token(), '/proxy/s1/', other)).status).toBe(200);
    await other.close();
  });

  it('waits in vain, but is not called a stranger, while the issuer’s keys cannot be had', async () => {
    issuer.answer = (send) => send(503, '');
    expect((await get(await issuer.token())).status).toBe(503);
    expect((await get(proxy.alice)).status).toBe(200);
  });

  it('goes on while the issuer is away (S4-19)', async () => {
    const token = await issuer.token();
    expect((await get(token)).status).toBe(200);
    await issuer.close();
    expect((await get(token)).status).toBe(200);
    expect((await get(await issuer.token({ jti: 'a new one' }))).status).toBe(200);
  });

  it('finds a tunnel open to a token in Proxy-Authorization', async () => {
    const head = (token: string) => `CONNECT s1:8888 HTTP/1.1\r\nHost: s1:8888\r\nProxy-Authorization: Bearer ${token}\r\n\r\n`;
    expect((await sendRaw(proxy.port, head(await issuer.token()), (text) => text.includes('\r\n\r\n'))).status).toBe(200);
    expect((await sendRaw(proxy.port, head(await issuer.token({ aud: 'other' })))).status).toBe(407);
  });

  it('loses what is open with the user’s end, and when the token has expired (S4-19)', async () => {
    const open = async (token: string) => {
      const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/proxy/ws/`, { headers: { authorization: `Bearer ${token}` } });
      await once(socket, 'open');
      return socket;
    };
    const expiring = await open(await issuer.token({ exp: secondsFromNow(1 - LEEWAY_SECONDS) }));
    const lasting = await open(await issuer.token());
    const ended = once(lasting, 'close');
    expect((await once(expiring, 'close'))[0]).toBe(1008);
    expect(lasting.readyState).toBe(WebSocket.OPEN);
    proxy.directory.changeUser('alice', { status: 'disabled' });
    expect((await ended)[0]).toBe(1008);
    await waitFor(() => proxy.records.length === 2, { describe: 'both records' });
    expect(proxy.records.map(({ reason }) => reason)).toEqual(['token expired', 'user disabled']);
  });

  it('is a stranger where no issuer is trusted (C6, S4-08)', async () => {
    const other = await startProxy();
    other.directory.addSandbox('alice', 's1', sandbox.address);
    expect((await get(await issuer.token(), '/proxy/s1/', other)).status).toBe(401);
    expect(other.records[0]).toMatchObject({ reason: 'malformed key' });
    await other.close();
  });
});
