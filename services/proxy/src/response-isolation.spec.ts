import fc from 'fast-check';
import { parseRequestTarget, type SandboxTarget } from './request-target.js';
import { SharedOrigin } from './response-isolation.js';

const target = parseRequestTarget('/proxy/s1/app/page?x=1', 'GET') as SandboxTarget;
const host = 'sandlot.example:8080';
const shared = new SharedOrigin(target, host);
const location = (value: string) => shared.field('location', value);

describe('a response under a path-based address', () => {
  it.each([
    ['next', 'next'],
    ['?x=2', '?x=2'],
    ['../other', '../other'],
    ['/proxy/s1/login', '/proxy/s1/login'],
    ['http://sandlot.example:8080/proxy/s1/login', 'http://sandlot.example:8080/proxy/s1/login'],
    ['https://elsewhere.example/x', 'https://elsewhere.example/x'],
    ['//elsewhere.example/x', '//elsewhere.example/x'],
    ['mailto:a@b.example', 'mailto:a@b.example'],
  ])('may redirect to %s', (value, passed) => expect(location(value)).toBe(passed));

  it.each([
    ['/login', '/proxy/s1/login'],
    ['/', '/proxy/s1/'],
    ['/api/v1/sandboxes/other/pause?x#y', '/proxy/s1/api/v1/sandboxes/other/pause?x#y'],
    ['/proxy/s2/', '/proxy/s1/proxy/s2/'],
    ['/proxy/s1/../s2/', '/proxy/s1/proxy/s2/'],
    ['/proxy/s1/%2e%2e/s2/', '/proxy/s1/proxy/s2/'],
    ['/proxy/s1:22/', '/proxy/s1/proxy/s1:22/'],
    ['../../../../api/v1/me', '/proxy/s1/api/v1/me'],
    ['\\api\\v1\\me', '/proxy/s1/api/v1/me'],
    ['/proxy/s1/..\\..\\api', '/proxy/s1/api'],
    ['http://sandlot.example:8080/api/v1/me', '/proxy/s1/api/v1/me'],
    ['https://SANDLOT.example/api/v1/me', '/proxy/s1/api/v1/me'],
    ['//user@sandlot.example:8080/api', '/proxy/s1/api'],
    ['http:/api/v1/me', '/proxy/s1/api/v1/me'],
    ['/\tapi/v1/me', '/proxy/s1/api/v1/me'],
  ])('cannot redirect to %s on the API’s origin', (value, passed) => expect(location(value)).toBe(passed));

  it('loses a redirect that cannot be understood', () => {
    expect(location('http://[')).toBeUndefined();
  });

  it('never leads out of its sandbox on this host, whatever it says', () => {
    const pieces = fc.array(fc.constantFrom('/', '..', '.', '%2e', '\\', 'api', 'proxy', 's1', 's2', ':', '?', '#', 'http:', 'sandlot.example:8080', '@', '\t'));
    fc.assert(
      fc.property(pieces, (words) => {
        const passed = location(words.join(''));
        if (passed === undefined) return;
        const url = new URL(passed, `http://${host}/proxy/s1/app/page?x=1`);
        if (url.hostname === 'sandlot.example' && url.port === '8080') expect(`${url.pathname}/`).toMatch(/^\/proxy\/s1\//);
      }),
    );
  }); // prettier-ignore

  it('cannot let the API’s own origin in, and may let others', () => {
    const allowed = (value: string) => shared.field('access-control-allow-origin', value);
    expect([allowed('http://sandlot.example:8080'), allowed('https://SANDLOT.example:8080')]).toEqual([undefined, undefined]);
    expect([allowed('*'), allowed('https://app.example')]).toEqual(['*', 'https://app.example']);
  });
});
