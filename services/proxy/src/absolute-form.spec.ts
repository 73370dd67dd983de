import { agrees, originForm } from './absolute-form.js';

describe('a request target in absolute-form', () => {
  it.each([
    ['/proxy/s1/?a=b', '/proxy/s1/?a=b', undefined],
    ['http://x/proxy/s1/?a=b', '/proxy/s1/?a=b', 'x'],
    ['HTTPS://X:8080/a//b/..', '/a//b/..', 'X:8080'],
    ['http://x', '/', 'x'],
    ['http://x?a', '/?a', 'x'],
    ['http://alice@x/a', '/a', 'alice@x'],
    ['http:///a', '/a', ''],
    ['http:/x/a', 'http:/x/a', undefined],
    ['ftp://x/a', 'ftp://x/a', undefined],
    ['*', '*', undefined],
  ])('%s is the path %s at %s', (raw, target, authority) => {
    expect(originForm(raw)).toEqual({ target, authority });
  });

  it('agrees with Host in any case, and with nothing else', () => {
    expect(agrees('X:80', 'x:80')).toBe(true);
    for (const host of ['x', 'x:81', '', undefined]) expect(agrees('x:80', host)).toBe(false);
  });
});
