import { Refusal } from './problem.js';
import { parseTunnelTarget, readTunnelHead } from './tunnel-target.js';

describe('the target of a tunnel', () => {
  it.each([
    ['s1:22', { username: undefined, sandbox: 's1', port: '22' }],
    ['my-sandbox:ssh', { username: undefined, sandbox: 'my-sandbox', port: 'ssh' }],
    ['s1.alice:8888', { username: 'alice', sandbox: 's1', port: '8888' }],
    ['/v1/sessions/s1/tunnel', { username: undefined, sandbox: 's1', port: undefined }],
    ['/api/v1/sandboxes/s1/tunnel?port=web', { username: undefined, sandbox: 's1', port: 'web' }],
  ])('%s names a sandbox and a port', (raw, expected) => expect(parseTunnelTarget(raw)).toMatchObject(expected));

  it.each([
    's1', 's1:', ':22', 's1:022', 's1:123456', 'S1:22', 's1.a.b:22', '127.0.0.1:22', '[::1]:22', 'user@s1:22', 's1:22/x', 's1:22?x', 'http://s1:22/',
    's1%2e:22', 's1..a:22', '.s1:22', 's1.:22', '', '*',
  ])('%s is refused as malformed', (raw) => expect(parseTunnelTarget(raw)).toMatchObject({ code: 'MALFORMED_REQUEST' })); // prettier-ignore

  it.each(['/', '/proxy/s1/', '/v1/sessions/s1', '/v1/sessions/../tunnel', '/v1/sessions/s1/tunnel?port=1&x', '/v1/sessions/a%2fb/tunnel'])(
    'the path %s is none',
    (raw) => expect(parseTunnelTarget(raw)).toMatchObject({ code: 'METHOD_NOT_ALLOWED' }),
  );
});

describe('the key of a tunnel', () => {
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
  const keyOf = (...raw: string[]) => {
    const head = readTunnelHead(raw, '1.0');
    return head instanceof Refusal ? head.code : head.credential;
  };

  it.each([
    [[], undefined],
    [['Proxy-Authorization', 'Bearer abc'], 'abc'],
    [['proxy-authorization', basic('anyone:abc')], 'abc'],
    [['Proxy-Authorization', basic(':abc')], 'abc'],
    [['Proxy-Authorization', basic('abc:')], 'abc'],
    [['Proxy-Authorization', basic('abc')], ''],
    [['Proxy-Authorization', 'Basic ***'], ''],
    [['Proxy-Authorization', 'Digest abc'], ''],
    [['Authorization', 'Bearer abc'], 'abc'],
    [['X-API-Key', 'abc'], 'abc'],
    [['X-API-Key', 'abc', 'Proxy-Authorization', 'Bearer abc'], 'MALFORMED_REQUEST'],
    [['Proxy-Authorization', 'Bearer abc', 'Proxy-Authorization', 'Bearer abc'], 'MALFORMED_REQUEST'],
    [['Content-Length', '5'], 'MALFORMED_REQUEST'],
    [['Transfer-Encoding', 'chunked'], 'MALFORMED_REQUEST'],
  ])('of %j is %s', (raw, expected) => expect(keyOf(...raw)).toBe(expected));
});
