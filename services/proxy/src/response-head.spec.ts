import { ChunkedBody } from './chunked-body.js';
import { MalformedResponse, MAX_RESPONSE_HEAD, parseResponseHead, parseTrailers } from './response-head.js';

const parse = (text: string) => parseResponseHead(Buffer.from(text, 'latin1'));

describe('a response head', () => {
  it('is read into status, reason, fields and framing', () => {
    const text =
      'HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nX-A:  b c\t \r\nx-a: \xe9\r\nConnection: X-Hop, keep-alive\r\n\r\nhello';
    expect(parse(text)).toEqual({
      status: 206,
      reason: 'Partial Content',
      headers: ['Content-Length', '5', 'X-A', 'b c', 'x-a', '\xe9', 'Connection', 'X-Hop, keep-alive'],
      listed: new Set(['x-hop']),
      keepAlive: true,
      chunked: false,
      contentLength: 5,
      length: text.length - 5,
    });
  });

  it.each([
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n', { chunked: true, keepAlive: true }],
    ['HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n', { keepAlive: false }],
    ['HTTP/1.0 200 OK\r\n\r\n', { keepAlive: false }],
    ['HTTP/1.1 200 \r\n\r\n', { reason: '' }],
    ['HTTP/1.1 200\r\n\r\n', { reason: '' }],
    ['HTTP/1.1 200 OK\r\nx:\r\n\r\n', { headers: ['x', ''] }],
  ])('%j is understood', (text, expected) => {
    expect(parse(text)).toMatchObject(expected);
  });

  it('is undefined until it is complete, however it is cut', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';
    for (let i = 0; i < text.length; i++) expect(parse(text.slice(0, i))).toBeUndefined();
    expect(parse(text)).toBeDefined();
  });

  it.each([
    ['bare LF after the status line', 'HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n'],
    ['bare LF between fields', 'HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n'],
    ['bare LF as the end', 'HTTP/1.1 200 OK\r\na: b\n\nx'],
    ['bare CR in a value', 'HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n'],
    ['CR CR LF', 'HTTP/1.1 200 OK\r\na: b\r\r\n\r\n'],
    ['NUL in a value', 'HTTP/1.1 200 OK\r\na: b\0\r\n\r\n'],
    ['a control in a value', 'HTTP/1.1 200 OK\r\na: b\x01\r\n\r\n'],
    ['DEL in a value', 'HTTP/1.1 200 OK\r\na: b\x7f\r\n\r\n'],
    ['a folded line', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n'],
    ['a field folded at the start', 'HTTP/1.1 200 OK\r\n a: b\r\n\r\n'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n'],
    ['a line without colon', 'HTTP/1.1 200 OK\r\nabc\r\n\r\n'],
    ['an empty name', 'HTTP/1.1 200 OK\r\n: b\r\n\r\n'],
    ['a name that is no token', 'HTTP/1.1 200 OK\r\na(b): c\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n'],
    ['one length twice', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n'],
    ['a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n'],
    ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n'],
    ['a length in hex', 'HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n'],
    ['an empty length', 'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n'],
    ['an endless length', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n'],
    ['length and chunked', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'],
    ['two codings', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n'],
    ['chunked twice', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['chunked with a tab inside', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n'],
    ['chunked on HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['HTTP/1.2', 'HTTP/1.2 200 OK\r\n\r\n'],
    ['lower-case HTTP', 'http/1.1 200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n'],
    ['an empty line first', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['HTTP/0.9', '<html>hello</html>'],
    ['a head that is too large', `HTTP/1.1 200 OK\r\na: ${'x'.repeat(MAX_RESPONSE_HEAD)}\r\n\r\n`],
    ['a head that does not end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(6000)}`],
  ])('with %s is malformed', (_, text) => {
    expect(() => parse(text)).toThrow(MalformedResponse);
  });
});

describe('a chunked body', () => {
  function decode(text: string, size = text.length) {
    const body = new ChunkedBody();
    const bytes = Buffer.from(text, 'latin1');
    let data = '';
    let taken = 0;
    for (let at = 0; at < bytes.length && !body.done; at += size) {
      taken += body.push(bytes.subarray(at, at + size), (piece) => (data += piece.toString('latin1')));
    }
    return { data, done: body.done, rest: text.slice(taken), trailers: body.trailers };
  }

  it('is decoded however it is cut', () => {
    const text = '5;ext=1\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n';
    const whole = { data: 'hello0123456789', done: true, rest: '', trailers: ['X-Sum', '1'] };
    for (let size = 1; size <= text.length; size++) expect(decode(text, size)).toEqual(whole);
  });

  it('ends where it ends', () => {
    expect(decode('0\r\n\r\nHTTP/1.1 200 OK')).toMatchObject({ done: true, rest: 'HTTP/1.1 200 OK' });
  });

  it('is not done without its last chunk', () => {
    expect(decode('5\r\nhello\r\n').done).toBe(false);
  });

  it.each([
    '5\nhello\r\n', '5\r\nhello\n', '5\r\nhelloo\r\n', '-5\r\n', '+5\r\n', '0x5\r\n', ' 5\r\n', '5 \r\n', 'g\r\n', '\r\n', '5\r\r\nhello', '10000000000000\r\n',
    'fffffffffffffffff\r\n', '5;\0\r\nhello\r\n', '0\r\na b: c\r\n\r\n', '0\r\n a: b\r\n\r\n', '0\r\na: b\n\r\n', `5;${'x'.repeat(5000)}\r\nhello\r\n`, `0\r\n${'a: b\r\n'.repeat(2000)}\r\n`,
  ])('%j is malformed', (text) => {
    expect(() => decode(text)).toThrow(MalformedResponse);
  }); // prettier-ignore

  it('has trailers that are fields', () => {
    expect(() => parseTrailers('a\r\n')).toThrow(MalformedResponse);
    expect(parseTrailers('')).toEqual([]);
  });
});
