import { isApiKey } from '@sandlot/kernel';
import { mayBeForged, readPreviewRequest, type PreviewRequest } from './preview-request.js';
import { Refusal } from './problem.js';

const isOurs = (credential: string): boolean => isApiKey(credential) || credential === 'ey.our.token';
const read = (target: string, ...raw: string[]): PreviewRequest => {
  const request = readPreviewRequest(target, ['Host', 'x', ...raw], '1.1', isOurs);
  if (request instanceof Refusal) throw new Error(request.detail);
  return request;
};
const key = `slk_${'a'.repeat(10)}`;

describe('a request for a preview', () => {
  it('keeps what is the sandbox’s of its cookies, and nothing of ours', () => {
    const request = read('/', 'Cookie', 'a=1; __Host-sandlot-preview=pass; b=2', 'cookie', '__HOST-Sandlot-Preview=x; c=3');
    expect(request.head.lines).toBe('cookie: a=1; b=2; c=3\r\n');
    expect(request.pass).toBe('pass');
  });

  it('believes neither of two cookies of ours', () => {
    expect(read('/', 'Cookie', '__Host-sandlot-preview=a; __Host-sandlot-preview=b').pass).toBeUndefined();
  });

  it('passes on credentials that are not ours, and none that are or look so', () => {
    expect(read('/', 'Authorization', 'Basic YTpi').head.lines).toBe('Authorization: Basic YTpi\r\n');
    expect(read('/', 'Authorization', `Bearer ${key}`).head.lines).toBe('');
    expect(read('/', 'X-API-Key', 'anything').head.lines).toBe('');
    expect(read('/', 'Authorization', 'Bearer ey.its.own').head.lines).toBe('Authorization: Bearer ey.its.own\r\n');
    expect(read('/', 'Authorization', 'Bearer ey.our.token')).toMatchObject({ credential: 'ey.our.token', head: { lines: '' } });
  });

  it.each([
    ['/?sandlot-preview=p', '/', 'p'],
    ['/a?x=1&sandlot-preview=p&y=%20', '/a?x=1&y=%20', 'p'],
    ['//evil.example/?sandlot-preview=p', '//evil.example/', 'p'],
    ['/?sandlot-preview=p&sandlot-preview=q', '/', 'p'],
    ['/?xsandlot-preview=p', '/?xsandlot-preview=p', undefined],
    ['/sandlot-preview=p', '/sandlot-preview=p', undefined],
  ])('%s is %s without its link', (target, forward, link) => expect(read(target)).toMatchObject({ forward, link }));

  const own = 'https://8888-s1-alice.previews.example';
  const other = 'https://8888-s2-alice.previews.example';
  const from = (origin: string | undefined, site?: string, mode?: string, dest?: string): PreviewRequest =>
    ({ origin, fetch: { site, mode, dest } }) as PreviewRequest;

  it.each<[string, PreviewRequest, string, boolean]>([
    ['its own page', from(own, 'same-origin', 'cors', 'empty'), 'POST', false],
    ['its own page, reading', from(undefined, 'same-origin', 'no-cors', 'image'), 'GET', false],
    ['its own page in a frame of its own', from(undefined, 'same-origin', 'navigate', 'iframe'), 'GET', false],
    ['somebody who types the address', from(undefined, 'none', 'navigate', 'document'), 'GET', false],
    ['somebody who follows a link', from(undefined, 'cross-site', 'navigate', 'document'), 'GET', false],
    ['a browser that says nothing, reading', from(undefined), 'GET', false],
    ['its own WebSocket', from(own, 'same-origin', 'websocket', 'websocket'), 'WebSocket', false],
  ])('of %s passes by the cookie', (_, request, method, forged) =>
    expect(mayBeForged(request, method === 'WebSocket' ? 'GET' : method, own, method === 'WebSocket')).toBe(forged),
  );

  it.each<[string, PreviewRequest, string]>([
    ['another preview', from(other, 'same-site', 'cors', 'empty'), 'GET'],
    ['another preview’s form', from(other, 'same-site', 'navigate', 'document'), 'POST'],
    ['another preview’s picture', from(undefined, 'same-site', 'no-cors', 'image'), 'GET'],
    ['another preview’s frame', from(undefined, 'same-site', 'navigate', 'iframe'), 'GET'],
    ['no page in particular', from('null', 'cross-site', 'cors', 'empty'), 'GET'],
    ['a browser that says nothing, writing', from(undefined), 'POST'],
    ['the same host without TLS', from(own.replace('https', 'http')), 'GET'],
    ['another preview’s WebSocket', from(other, 'same-site', 'websocket', 'websocket'), 'WebSocket'],
    ['a WebSocket of nobody', from(undefined), 'WebSocket'],
  ])('of %s does not', (_, request, method) =>
    expect(mayBeForged(request, method === 'WebSocket' ? 'GET' : method, own, method === 'WebSocket')).toBe(true),
  );
});
