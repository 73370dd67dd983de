import { nameOfId, reservedUsernames } from '@sandlot/contracts';
import fc from 'fast-check';
import { Refusal } from './problem.js';
import { parseRequestTarget } from './request-target.js';

const parse = (raw: string, method = 'GET') => {
  const target = parseRequestTarget(raw, method);
  if (target instanceof Refusal) return target.status;
  if (target.kind === 'sandbox')
    return `${target.username ?? '(caller)'} ${target.sandbox}${target.port ? `:${target.port}` : ''} ${target.forward}`;
  if (target.kind === 'api') return `${target.public ? 'public' : 'api'} ${target.forward}`;
  return target.kind;
};

describe('the request target', () => {
  it.each([
    ['/proxy/s1/execute', '(caller) s1 /execute'],
    ['/proxy/s1', '(caller) s1 /'],
    ['/proxy/s1/', '(caller) s1 /'],
    ['/proxy/s1?x=1', '(caller) s1 /?x=1'],
    ['/proxy/s1/a?x=/../%2f%00&y=\\', '(caller) s1 /a?x=/../%2f%00&y=\\'],
    ['/proxy/s1:8080/x', '(caller) s1:8080 /x'],
    ['/proxy/s1:web/x', '(caller) s1:web /x'],
    ['/alice/my-sandbox/v1/shell/exec', 'alice my-sandbox /v1/shell/exec'],
    ['/alice/my-sandbox', 'alice my-sandbox /'],
    ['/alice/s1:22', 'alice s1:22 /'],
    ['/alice/s', 'alice s /'],
  ])('S1-01 %s is routed: %s', (raw, expected) => {
    expect(parse(raw)).toBe(expected);
  });

  it.each([
    ['/', 'public /'],
    ['/health', 'public /health'],
    ['/health?probe=1', 'public /health?probe=1'],
    ['/openapi.json', 'public /openapi.json'],
    ['/docs', 'public /docs'],
    ['/docs/index.css', 'public /docs/index.css'],
    ['/openapi.yaml', 'public /openapi.yaml'],
    ['/problems/not-found', 'public /problems/not-found'],
    ['/api/v1/health', 'public /api/v1/health'],
    ['/v1/problems', 'public /v1/problems'],
    ['/health/x', 'api /health/x'],
    ['/api', 'api /api'],
    ['/api/v1/sandboxes?limit=2', 'api /api/v1/sandboxes?limit=2'],
    ['/v1/sessions/a%20b', 'api /v1/sessions/a%20b'],
    ['/sandboxes', 'api /sandboxes'],
  ])('%s is for the gateway: %s', (raw, expected) => {
    expect(parse(raw)).toBe(expected);
  });

  it.each([
    ['/api/v1/sandboxes/s1/workspace', 'GET', '(caller) s1 /workspace'],
    ['/v1/sandboxes/s1/workspace?outsideLinks=skip', 'PUT', '(caller) s1 /workspace?outsideLinks=skip'],
    ['/api/sessions/sbx_01m7yj1435ebhbsct92r1n0ays/workspace', 'HEAD', `(caller) ${nameOfId('sbx_01m7yj1435ebhbsct92r1n0ays')} /workspace`],
    ['/api/v1/sandboxes/s1/workspace', 'POST', 405],
    ['/api/v1/sandboxes/S1/workspace', 'GET', 'api /api/v1/sandboxes/S1/workspace'],
    ['/api/v1/sandboxes/s1/x/workspace', 'GET', 'api /api/v1/sandboxes/s1/x/workspace'],
    ['/api/v1/sandboxes/%731/workspace', 'GET', 'api /api/v1/sandboxes/%731/workspace'],
  ])('S2-31 %s by %s: %s', (raw, method, expected) => {
    expect(parse(raw, method)).toBe(expected);
  });

  it.each([
    '/favicon.ico',
    '/metrics',
    '/livez',
    '/proxy',
    '/proxy/',
    '/alice',
    '/alice/',
    '/Alice/s1/',
    '/alice/S1/',
    '/a_b/s1/',
    '/.well-known/x',
    '/openapi.txt',
    '/alice/-s1/',
  ])('%s is nothing', (raw) => {
    const parsed = parse(raw);
    expect(parsed).toBe('unknown');
  });

  const AMBIGUOUS = [
    // escapes in the routing prefix
    '/%70roxy/s1/', '/proxy/%73%31/', '/proxy%2fs1/', '/proxy/s1%2f..%2fs2/x', '/proxy/s1%2F/x', '/proxy/s1%5c..%5cs2/', '/proxy/s1%00/x',
    '/proxy/%2e%2e/alice/s1/', '/proxy/%2e/s1', '/proxy/s1%252f..%252fs2/', '/%61lice/s1/', '/alice/s%31/', '/alice%2fs1/x', '/alice/s1%3ba/',
    '/alice/s1%23/', '/alice/s1%3f/', '/alice/s1%0d%0a/', '/alice/%c0%ae%c0%ae/x', '/alice/%u002e/x',
    // dot segments and empty segments in the routing prefix
    '/..', '/.', '/./proxy/s1/', '/../alice/s1/', '/proxy/../alice/s1/', '/proxy/./s1/', '/proxy/../../bob/s1', '/alice/../bob/s1/', '/alice/./s1/',
    '/alice/..', '/proxy/..', '/proxy//s1/', '//alice/s1/', '//proxy/s1/', '///', '/alice//s1/', '//evil.example/alice/s1',
    // backslashes, anywhere in a path
    '/proxy\\s1/', '/proxy/s1\\..\\s2/', '/proxy/alice\\..\\bob/', '\\proxy\\s1', '/alice/s1/a\\..\\b', '/alice\\s1/x', '/api\\..\\proxy/s1/',
    // parameters, fragments
    '/proxy;x=1/s1/', '/proxy/s1;x=1/', '/alice;/s1/', '/alice/s1;/x', '/alice/s1#/x', '/proxy/s1/x#y', '/proxy/s1/x?y#z', '/#', '/api#/x',
    // API paths: one reading only, over their whole length
    '/api/../proxy/s1/', '/api/v1/../../alice/s1/', '/api/v1/./me', '/api//v1', '/api/v1/a%2fb', '/api/v1/a%5Cb', '/api/v1/%2e%2e/x', '/api/v1/%252e', '/api/v1/a%00',
    '/api/v1/a;b', '/api/v1/%zz', '/api/v1/%f', '/api/v1/%ff', '/docs/..', '/docs/../api/v1/me', '/health/..', '/v1/..;/x', '/sandboxes/%2e%2e', '/docs/%2e%2e/api/v1/me',
    // not origin-form
    'http://example.com/proxy/s1/', 'HTTP://127.0.0.1/alice/s1/', 'proxy/s1/', '', '?x', '*', 'example.com:443', '@evil/proxy/s1', ' /proxy/s1/',
    // bytes that no target may have
    '/proxy/s1/ü', '/proxy/s1/a b', '/proxy/s1/\t', '/proxy/s1/\x00', '/proxy/s1/\x7f', '/proxy/s1/?q=\xff', '/proxy/s1/\u2025/x',
    // ports
    '/proxy/s1:0/', '/proxy/s1:/x', '/proxy/s1:99999999/', '/proxy/s1:80:90/', '/proxy/s1:-1/', '/proxy/s1:8080@evil/', '/alice/s1:08/',
  ]; // prettier-ignore

  it.each(AMBIGUOUS)('%j is refused as ambiguous', (raw) => {
    expect(parse(raw)).toBe(400);
  });

  it('tries at least sixty ambiguous targets', () => {
    expect(new Set(AMBIGUOUS).size).toBeGreaterThanOrEqual(60);
  });

  it('takes the target * for OPTIONS only', () => {
    expect([parse('*', 'OPTIONS'), parse('*', 'GET')]).toEqual(['server', 400]);
  });

  it('refuses targets over 8 KiB with 414', () => {
    expect([parse(`/proxy/s1/${'a'.repeat(8182)}`), parse(`/proxy/s1/${'a'.repeat(8183)}`)]).toEqual([
      expect.stringContaining('(caller) s1'),
      414,
    ]);
  });

  it.each(['/../../bob/s1/x', '/%2e%2e/%2f', '//evil.example/', '/;a=b', '/%ff%00', '/.', '/...', '/%252f', '/a|b"<>^`{}'])(
    'passes %s behind the sandbox byte for byte, to that sandbox',
    (suffix) => {
      expect(parse(`/proxy/s1${suffix}`)).toBe(`(caller) s1 ${suffix}`);
      expect(parse(`/alice/s1${suffix}`)).toBe(`alice s1 ${suffix}`);
    },
  );

  it('S0-04 has one reading: resolving a routed target as browsers and servers do never leads to another sandbox', () => {
    const piece = fc.constantFrom(
      'proxy',
      'alice',
      'bob',
      's1',
      's2',
      '..',
      '.',
      '',
      '%2e%2e',
      '%2f',
      '%5c',
      '\\',
      ';',
      ':',
      '%',
      '8080',
      'api',
      'v1',
      '?',
      '#',
      '%00',
      'x',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('/', '/', '/', ''), piece), { maxLength: 8 }), (pieces) => {
        const raw = pieces.flat().join('');
        const target = parseRequestTarget(raw, 'GET');
        if (target instanceof Refusal || target.kind !== 'sandbox') return;
        const prefix = target.username ? `/${target.username}/${target.sandbox}` : `/proxy/${target.sandbox}`;
        expect(raw.startsWith(prefix)).toBe(true);
        expect(new URL(target.prefix, 'http://x').pathname).toBe(target.prefix);
        const rest = raw.slice(target.prefix.length);
        expect(target.forward).toBe(rest.startsWith('/') ? rest : `/${rest}`);
      }),
      { numRuns: 5000 },
    );
  });

  it('gives the gateway no first segment that could be a username', () => {
    const roots = ['api', 'v1', 'health', 'docs', 'problems', 'sandboxes', 'proxy'];
    expect(roots.filter((root) => !reservedUsernames.has(root))).toEqual([]);
  });
});
