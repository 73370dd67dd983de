import { clientOrigin, isNetwork, TrustedProxies } from './client-origin.js';

const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', 'fd00::/16']);
const from = (forwardedFor: string[], nearest = '10.0.0.1') =>
  proxies.originOf(
    forwardedFor.flatMap((value) => ['X-Forwarded-For', value]),
    clientOrigin(nearest, 'http'),
    'http',
  ).ip;

describe('where a request behind trusted proxies comes from', () => {
  it.each([
    ['what the nearest has seen', ['203.0.113.5'], '203.0.113.5'],
    ['the first from the end that is none of them', ['203.0.113.5, 10.1.1.1, 192.0.2.7'], '203.0.113.5'],
    ['nothing that a client has put before it', ['198.51.100.1, 203.0.113.5'], '203.0.113.5'],
    ['several fields as one', ['198.51.100.1', '203.0.113.5, 10.0.0.9'], '203.0.113.5'],
    ['IPv6, with brackets and ports', ['[2001:db8::1]:443, fd00::5'], '2001:db8::1'],
    ['IPv4 with a port', ['203.0.113.5:5000'], '203.0.113.5'],
    ['as far as it makes sense', ['unknown, 10.2.2.2'], '10.2.2.2'],
    ['the nearest itself, where nothing is said', [], '10.0.0.1'],
    ['the farthest, where all are trusted', ['10.3.3.3, 10.2.2.2'], '10.3.3.3'],
  ])('is %s', (_, forwardedFor, ip) => expect(from(forwardedFor)).toBe(ip));

  it.each([
    [['https'], 'https'],
    [['http, HTTPS'], 'https'],
    [['https', 'http'], 'http'],
    [['gopher'], 'http'],
    [[], 'http'],
  ])('came by what the nearest says last: %j is %s', (said, proto) => {
    const raw = said.flatMap((value) => ['X-Forwarded-Proto', value]);
    const { forwardedLines } = proxies.originOf(raw, clientOrigin('10.0.0.1', 'http'), 'http');
    expect(forwardedLines).toBe(`x-forwarded-for: 10.0.0.1\r\nx-forwarded-proto: ${proto}\r\n`);
  });

  it('is not asked of anybody else', () => {
    expect(['10.9.9.9', '192.0.2.7', 'fd00::1'].map((ip) => proxies.trusts(ip))).toEqual([true, true, true]);
    expect(['11.0.0.1', '192.0.2.8', 'fd01::1', '', 'unknown'].map((ip) => proxies.trusts(ip))).toEqual(Array(5).fill(false));
  });

  it.each(['10.0.0.0/33', '10.0.0/8', 'proxy', '::/129', '10.0.0.0/8/8', '10.0.0.0/', ''])('takes no %j for a network', (text) =>
    expect(isNetwork(text)).toBe(false),
  );
});
