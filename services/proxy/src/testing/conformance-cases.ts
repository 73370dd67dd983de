import type { Observation, ProbeOptions } from './http-probe.js';

/**
 * What RFC 9110 and 9112 ask of a forwarder, one exchange each. `read` names what was seen; the same is asked of ours and of the peers that
 * docs/reference/http-conformance.md shows beside it. `PATH/` and `KEY` as in smuggling-payloads.ts.
 */
export interface ConformanceCase extends ProbeOptions {
  rfc: string;
  what: string;
  request: string;
  /** What the upstream sends once it has a whole request. Default: 200 with a body. */
  answer?: string;
  /** Sent as soon as the upstream has the end of a head, before `answer`. */
  early?: string;
  /** The upstream closes behind its answer. */
  closes?: boolean;
  read: (seen: Seen) => string;
  /** What conforms. */
  right: readonly string[];
  /** What ours does, when several conform. Default: the first of `right`. */
  ours?: string;
}

/** An observation, with what one asks of it most. */
export interface Seen extends Observation {
  status: number;
  /** Of the request that the upstream got, names in lower case. */
  sent: Map<string, string[]>;
  sentBody: string;
  /** Of the client's last response. */
  got: Map<string, string[]>;
  gotBody: string;
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (more = '') => `GET PATH/ HTTP/1.1\r\nHost: x\r\nKEY${more}\r\n`;
const post = (more: string, body: string) => `POST PATH/ HTTP/1.1\r\nHost: x\r\nKEY${more}\r\n${body}`;
const reply = (more: string, body = '', status = '200 OK') => `HTTP/1.1 ${status}\r\n${more}\r\n${body}`;

const PASSED = 'passed on';
const DROPPED = 'dropped';
const passedOrRefused = ({ status, upstream }: Seen) => (upstream !== '' ? PASSED : refusal(status));
const refusal = (status: number) => (status === 0 ? 'closed' : `refused ${status}`);
const REFUSED = ['refused 400', 'closed'];
const has = (fields: Map<string, string[]>, name: string) => (fields.has(name) ? PASSED : DROPPED);
const body = (wanted: string) => (seen: Seen) =>
  decoded(seen.got, seen.gotBody) === wanted ? 'whole' : `status ${seen.status}, not whole`;
const failed = ({ status, client, got, gotBody }: Seen) => {
  if (status >= 500) return `refused ${status}`;
  if (client === '') return 'closed';
  return decoded(got, gotBody) === undefined ? 'breaks off' : 'looks whole';
};

export const CONFORMANCE_CASES: ConformanceCase[] = [
  {
    rfc: '9110 9.3.2', what: 'HEAD: the length of the body, without the body',
    request: 'HEAD PATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n', answer: reply('Content-Length: 5\r\n'),
    read: ({ got, gotBody }) => `length ${got.get('content-length')?.[0] ?? 'missing'}, ${gotBody === '' ? 'no body' : 'a body'}`,
    right: ['length 5, no body', 'length missing, no body'],
  },
  {
    rfc: '9112 6.3', what: 'a body behind an answer to HEAD',
    request: 'HEAD PATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n', answer: reply('Content-Length: 5\r\n', 'wrong'),
    read: ({ client }) => (client.includes('wrong') ? PASSED : DROPPED), right: [DROPPED],
  },
  {
    rfc: '9112 6.3', what: 'a body behind 204',
    request: get(), answer: reply('Content-Length: 5\r\n', 'wrong', '204 No Content'),
    read: ({ client, status }) => (client.includes('wrong') ? PASSED : status === 204 ? DROPPED : refusal(status)), right: [DROPPED, 'refused 502'],
  },
  {
    rfc: '9112 6.3', what: 'Transfer-Encoding on 204',
    request: get(), answer: reply('Transfer-Encoding: chunked\r\n', '0\r\n\r\n', '204 No Content'),
    read: ({ got, status }) => (status === 204 ? has(got, 'transfer-encoding') : refusal(status)), right: [DROPPED, 'refused 502'],
  },
  {
    rfc: '9110 15.4.5', what: '304 with ETag and the length that 200 would have',
    request: get('If-None-Match: "a"\r\n'), answer: reply('ETag: "a"\r\nContent-Length: 5\r\n', '', '304 Not Modified'),
    read: ({ status, got, gotBody }) => (status === 304 && got.get('etag')?.[0] === '"a"' && gotBody === '' ? PASSED : `status ${status}`), right: [PASSED],
  },
  {
    rfc: '9110 13.1.2', what: 'If-None-Match and If-Modified-Since',
    request: get('If-None-Match: "a", W/"b"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n'),
    read: ({ sent }) => (sent.get('if-none-match')?.[0] === '"a", W/"b"' ? has(sent, 'if-modified-since') : DROPPED), right: [PASSED],
  },
  {
    rfc: '9110 14.2', what: 'Range and If-Range, and 206',
    request: get('Range: bytes=1-2\r\nIf-Range: "a"\r\n'), answer: reply('Content-Range: bytes 1-2/5\r\nContent-Length: 2\r\n', 'el', '206 Partial Content'),
    read: ({ sent, got, status }) => (sent.has('range') && sent.has('if-range') && status === 206 ? has(got, 'content-range') : DROPPED), right: [PASSED],
  },
  {
    rfc: '9110 15.5.17', what: '416 with Content-Range',
    request: get('Range: bytes=9-\r\n'), answer: reply('Content-Range: bytes */5\r\nContent-Length: 0\r\n', '', '416 Range Not Satisfiable'),
    read: ({ got, status }) => (status === 416 ? has(got, 'content-range') : `status ${status}`), right: [PASSED],
  },
  {
    rfc: '9112 7.1', what: 'a chunked request body',
    request: post('Transfer-Encoding: chunked\r\n', '5;a=b\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'),
    read: ({ sent, sentBody }) => (decoded(sent, sentBody) === 'hello world' ? 'whole' : 'not whole'), right: ['whole'],
  },
  {
    rfc: '9112 7.1.1', what: 'chunk extensions of a request',
    request: post('Transfer-Encoding: chunked\r\n', '5;secret=b\r\nhello\r\n0\r\n\r\n'),
    read: ({ upstream }) => (upstream.includes('secret') ? PASSED : DROPPED), right: [DROPPED],
  },
  {
    rfc: '9112 7.1', what: 'a chunked response body',
    request: get(), answer: reply('Transfer-Encoding: chunked\r\n', '5;a=b\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'), read: body('hello world'), right: ['whole'],
  },
  {
    rfc: '9112 7.1.2', what: 'trailers of a request',
    request: post('Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n', '5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'),
    read: ({ sent, sentBody }) => (sent.has('x-sum') ? 'merged into the header' : sentBody.includes('X-Sum: 1') ? PASSED : DROPPED), right: [PASSED, DROPPED],
  },
  {
    rfc: '9110 6.5.1', what: 'framing, routing and credentials in trailers of a request',
    request: post('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: y\r\nAuthorization: z\r\n\r\n'),
    read: ({ upstream, status }) => (upstream === '' ? refusal(status) : /Content-Length: 9|Host: y|Authorization: z/i.test(upstream) ? PASSED : DROPPED),
    right: [DROPPED, 'refused 400', 'closed'], ours: 'closed',
  },
  {
    rfc: '9112 7.1.2', what: 'trailers of a response, for a client that says TE: trailers',
    request: get('TE: trailers\r\nConnection: TE\r\n'), answer: reply('Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n', '5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n'),
    read: ({ got, gotBody }) => (got.has('x-sum') ? 'merged into the header' : /x-sum: 1/i.test(gotBody) ? PASSED : DROPPED), right: [PASSED, DROPPED],
  },
  {
    rfc: '9110 10.1.1', what: 'Expect: 100-continue, answered 100 and then 200',
    request: post('Expect: 100-continue\r\nContent-Length: 5\r\n', ''), early: 'HTTP/1.1 100 Continue\r\n\r\n', later: 'hello',
    read: ({ client, status, sent }) => `${/^HTTP\/1\.1 100/.test(client) ? '100' : 'no 100'}, then ${status}${sent.has('expect') ? '' : ', by itself'}`,
    right: ['100, then 200', '100, then 200, by itself'],
  },
  {
    rfc: '9110 10.1.1', what: 'Expect: 100-continue, answered 417 at once',
    request: post('Expect: 100-continue\r\nContent-Length: 5\r\n', ''), early: reply('Content-Length: 0\r\n', '', '417 Expectation Failed'),
    read: ({ client, status }) => `${status}${/^HTTP\/1\.1 100/.test(client) ? ' after 100' : ''}`, right: ['417'],
  },
  {
    rfc: '9110 15.2', what: '100 for a client that speaks HTTP/1.0',
    request: 'POST PATH/ HTTP/1.0\r\nHost: x\r\nKEYExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello', early: 'HTTP/1.1 100 Continue\r\n\r\n',
    read: ({ client, status }) => (/^HTTP\/1\.\d 100/.test(client) ? PASSED : status === 200 ? DROPPED : refusal(status)), right: [DROPPED, 'refused 426'],
  },
  {
    rfc: '9110 15.2', what: '103 (Early Hints) before the answer',
    request: get(), early: 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n',
    read: ({ client, status }) => (status !== 200 ? `status ${status}` : /^HTTP\/1\.1 103/.test(client) ? PASSED : DROPPED), right: [PASSED],
  },
  {
    rfc: '9110 15.2', what: '102 (Processing) before the answer',
    request: get(), early: 'HTTP/1.1 102 Processing\r\n\r\n',
    read: ({ client, status }) => (status !== 200 ? `status ${status}` : /^HTTP\/1\.1 102/.test(client) ? PASSED : DROPPED), right: [PASSED],
  },
  {
    rfc: '9110 15.2.2', what: '101 that nobody asked for',
    request: get(), answer: 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    read: ({ status, client }) => (client.startsWith('HTTP/1.1 101') ? PASSED : refusal(status)), right: ['refused 502', 'closed'],
  },
  {
    rfc: '9110 7.8', what: 'Upgrade: h2c',
    request: get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'),
    read: ({ sent, status, upstream }) => (upstream === '' ? refusal(status) : has(sent, 'upgrade')), right: [DROPPED],
  },
  {
    rfc: '9110 7.8', what: 'Upgrade: websocket',
    request: get('Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'),
    answer: 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
    read: ({ status, sent }) => (status === 101 ? has(sent, 'upgrade') : `status ${status}`), right: [PASSED],
  },
  {
    rfc: '9110 7.6.1', what: 'a field that Connection of a request names',
    request: get('Connection: close, X-Hop\r\nX-Hop: 1\r\n'), read: ({ sent }) => has(sent, 'x-hop'), right: [DROPPED],
  },
  {
    rfc: '9110 7.6.1', what: 'a field that Connection of a response names',
    request: get(), answer: reply('Connection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n', 'ok'), read: ({ got }) => has(got, 'x-hop'), right: [DROPPED],
  },
  {
    rfc: '9110 7.6.1', what: 'Keep-Alive and Proxy-Connection of a request',
    request: get('Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n'),
    read: ({ sent }) => (sent.has('keep-alive') || sent.has('proxy-connection') ? PASSED : DROPPED), right: [DROPPED],
  },
  {
    rfc: '9110 10.1.4', what: 'TE: gzip',
    request: get('TE: gzip\r\nConnection: TE\r\n'), read: ({ sent }) => has(sent, 'te'), right: [DROPPED],
  },
  {
    rfc: '9110 7.6.3', what: 'Via on a request',
    request: get('Via: 1.0 first\r\n'),
    read: ({ sent }) => {
      const hops = sent.get('via')?.join(', ').split(', ') ?? [];
      return hops[0] !== '1.0 first' ? 'lost' : hops.length > 1 ? 'appended' : 'not appended';
    },
    right: ['appended'],
  },
  {
    rfc: '9112 3.2', what: 'no Host', request: 'GET PATH/ HTTP/1.1\r\nKEY\r\n', read: passedOrRefused, right: REFUSED,
  },
  {
    rfc: '9112 3.2', what: 'two Hosts', request: 'GET PATH/ HTTP/1.1\r\nHost: x\r\nHost: y\r\nKEY\r\n', read: passedOrRefused, right: REFUSED,
  },
  {
    rfc: '9112 3.2', what: 'an invalid Host', request: 'GET PATH/ HTTP/1.1\r\nHost: a@b/c\r\nKEY\r\n', read: passedOrRefused, right: REFUSED,
  },
  {
    rfc: '9112 3.2.2', what: 'a target in absolute-form that agrees with Host', request: 'GET http://xPATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n',
    read: ({ status, upstream }) => (upstream === '' ? refusal(status) : upstream.startsWith('GET /') ? 'passed on as a path' : PASSED),
    right: ['passed on as a path', PASSED],
  },
  {
    rfc: '9112 3.2.2', what: 'a target in absolute-form of another host', request: 'GET http://yPATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n',
    read: ({ status, upstream, sent }) => (upstream === '' ? refusal(status) : `passed on with Host ${sent.get('host')?.[0]}`),
    right: ['refused 400', 'passed on with Host y'],
  },
  {
    rfc: '9112 3.2.1', what: 'a target with .. and %2F behind what is routed on', request: 'GET PATH/a/../b%2Fc?d=/../e HTTP/1.1\r\nHost: x\r\nKEY\r\n',
    read: ({ upstream, status }) => (upstream === '' ? refusal(status) : upstream.includes('/a/../b%2Fc?d=/../e ') ? 'byte for byte' : 'changed'),
    right: ['byte for byte', 'changed', 'refused 400'],
  },
  {
    rfc: '9112 3', what: 'a target of 8,000 bytes', request: `GET PATH/${'a'.repeat(7980)} HTTP/1.1\r\nHost: x\r\nKEY\r\n`, read: passedOrRefused, right: [PASSED],
  },
  {
    rfc: '9112 6.1', what: 'Content-Length and Transfer-Encoding', request: post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    read: ({ sent, upstream, status }) => (upstream === '' ? refusal(status) : sent.has('content-length') ? PASSED : 'as chunked'),
    right: ['refused 400', 'as chunked'],
  },
  {
    rfc: '9112 6.1', what: 'Transfer-Encoding: gzip, chunked', request: post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'),
    read: passedOrRefused, right: ['refused 400', 'refused 501'],
  },
  {
    rfc: '9112 6.1', what: 'Transfer-Encoding on HTTP/1.0', request: 'POST PATH/ HTTP/1.0\r\nHost: x\r\nKEYTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    read: passedOrRefused, right: REFUSED,
  },
  { rfc: '9112 6.3', what: 'Content-Length: +5', request: post('Content-Length: +5\r\n', 'hello'), read: passedOrRefused, right: REFUSED },
  { rfc: '9112 6.3', what: 'two lengths that differ', request: post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello!'), read: passedOrRefused, right: REFUSED },
  {
    rfc: '9110 8.6', what: 'POST with Content-Length: 0', request: post('Content-Length: 0\r\n', ''),
    read: ({ sent }) => (sent.get('content-length')?.[0] === '0' ? PASSED : sent.has('transfer-encoding') ? 'as chunked' : DROPPED), right: [PASSED, 'as chunked'],
  },
  {
    rfc: '9110 9.3.1', what: 'GET with a body', request: get('Content-Length: 5\r\n') + 'hello',
    read: ({ sent, sentBody, status, upstream }) => (upstream === '' ? refusal(status) : decoded(sent, sentBody) === 'hello' ? 'whole' : 'not whole'),
    right: ['whole', 'refused 400'],
  },
  { rfc: '9112 5.1', what: 'a space before a colon', request: get('X-A : b\r\n'), read: passedOrRefused, right: REFUSED },
  {
    rfc: '9112 5.2', what: 'a folded line in a request', request: get('X-A: b\r\n c\r\n'),
    read: ({ status, upstream }) => (upstream === '' ? refusal(status) : /b *\r\n/.test(upstream) ? 'passed on as it is' : 'joined'),
    right: ['refused 400', 'joined'],
  },
  {
    rfc: '9110 5.5', what: 'NUL in a value', request: get('X-A: b\x00c\r\n'),
    read: ({ status, upstream }) => (upstream === '' ? refusal(status) : upstream.includes('\x00') ? 'passed on as it is' : 'replaced'),
    right: ['refused 400', 'replaced', 'closed'],
  },
  {
    rfc: '9112 2.2', what: 'bare CR in a value', request: get('X-A: b\rc\r\n'),
    read: ({ status, upstream }) => (upstream === '' ? refusal(status) : /\r(?!\n)/.test(upstream) ? 'passed on as it is' : 'replaced'),
    right: ['refused 400', 'replaced', 'closed'],
  },
  { rfc: '9112 2.2', what: 'an empty line before a request', request: `\r\n${get()}`, read: passedOrRefused, right: [PASSED] },
  {
    rfc: '9110 5.3', what: 'lines of one name, in their order', request: get('X-A: 1\r\nX-A: 2\r\n'),
    read: ({ sent }) => (sent.get('x-a')?.join(', ') === '1, 2' ? PASSED : 'changed'), right: [PASSED],
  },
  {
    rfc: '9110 5.5', what: 'bytes above 127 in a value', request: get('X-A: \xe9\xff\r\n'),
    read: ({ sent, status, upstream }) => (upstream === '' ? refusal(status) : sent.get('x-a')?.[0] === '\xe9\xff' ? PASSED : 'changed'), right: [PASSED],
  },
  {
    rfc: '9110 5.3', what: 'two WWW-Authenticate lines of a response', request: get(),
    answer: reply('WWW-Authenticate: A\r\nWWW-Authenticate: B\r\nContent-Length: 0\r\n', '', '401 Unauthorized'),
    read: ({ got }) => (got.get('www-authenticate')?.join(', ') === 'A, B' ? PASSED : 'changed'), right: [PASSED],
  },
  {
    rfc: '9110 6.6.1', what: 'Date of a response', request: get(), answer: reply('Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n'),
    read: ({ got }) => (got.get('date')?.join() === 'Sun, 06 Nov 1994 08:49:37 GMT' ? PASSED : 'changed'), right: [PASSED],
  },
  {
    rfc: '9110 15', what: 'a status that nobody knows', request: get(), answer: reply('Content-Length: 2\r\n', 'ok', '499 Odd'),
    read: ({ status }) => (status === 499 ? PASSED : `status ${status}`), right: [PASSED],
  },
  { rfc: '9110 9.1', what: 'PROPFIND', request: 'PROPFIND PATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n', read: passedOrRefused, right: [PASSED] },
  {
    rfc: '9110 9.1', what: 'a method that nobody knows', request: 'FROB PATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n', read: passedOrRefused,
    right: [PASSED, 'refused 501', 'refused 405', 'refused 400'], ours: 'refused 400',
  },
  {
    rfc: '9112 2.5', what: 'the version of a request from HTTP/1.0', request: 'GET PATH/ HTTP/1.0\r\nHost: x\r\nKEY\r\n',
    read: ({ upstream, status }) => /HTTP\/1\.\d/.exec(upstream)?.[0] ?? refusal(status), right: ['HTTP/1.1', 'refused 426'],
  },
  {
    rfc: '9112 7.1', what: 'a chunked response for HTTP/1.0', request: 'GET PATH/ HTTP/1.0\r\nHost: x\r\nKEY\r\n',
    answer: reply('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'),
    read: ({ got, gotBody, ended, status, upstream }) => (upstream === '' ? refusal(status) : got.has('transfer-encoding') ? 'chunked' : gotBody === 'hello' && ended !== 'open' ? 'to the end' : 'not whole'),
    right: ['to the end', 'refused 426'],
  },
  {
    rfc: '9112 9.3.2', what: 'two requests at once, answered in order', request: get('X-N: 1\r\n') + get('X-N: 2\r\n'),
    read: ({ client, upstream }) => `${client.match(/HTTP\/1\.1 200/g)?.length ?? 0} answers, ${upstream.match(/x-n: /gi)?.length ?? 0} requests`,
    right: ['2 answers, 2 requests'],
  },
  {
    rfc: '9112 9.6', what: 'Connection: close', request: get('Connection: close\r\n'),
    read: ({ got, ended }) => `${ended === 'end' ? 'closes' : 'stays'}${got.get('connection')?.join().toLowerCase() === 'close' ? ' and says so' : ''}`,
    right: ['closes and says so', 'closes'],
  },
  {
    rfc: '9112 9.6', what: 'a client that ends its side behind its request', request: get(), halfClose: true,
    read: ({ status }) => (status === 200 ? 'answered' : 'given up'), right: ['answered', 'given up'], ours: 'given up',
  },
  {
    rfc: '9110 7.5', what: 'an answer before the body has come', request: post('Content-Length: 100000\r\n', 'start'),
    early: reply('Content-Length: 2\r\n', 'no', '413 Content Too Large'), read: ({ status }) => (status === 413 ? PASSED : `status ${status}`), right: [PASSED],
  },
  {
    rfc: '9112 6.3', what: 'a response to the end of its connection', request: get(), answer: reply('', 'hello'), closes: true, read: body('hello'), right: ['whole'],
  },
  {
    rfc: '9112 8', what: 'a response that is shorter than announced', request: get(), answer: reply('Content-Length: 50\r\n', 'hello'), closes: true,
    read: failed, right: ['breaks off', 'closed', 'refused 502'],
  },
  {
    rfc: '9112 8', what: 'a chunked response without its end', request: get(), answer: reply('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'), closes: true,
    read: failed, right: ['breaks off', 'closed', 'refused 502'],
  },
  {
    rfc: '9112 6.3', what: 'a response with two lengths', request: get(), answer: reply('Content-Length: 2\r\nContent-Length: 3\r\n', 'ok!'),
    read: failed, right: ['refused 502', 'closed'],
  },
  {
    rfc: '9112 6.1', what: 'a response with Content-Length and Transfer-Encoding', request: get(),
    answer: reply('Content-Length: 50\r\nTransfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'),
    read: (seen) => (seen.status >= 500 ? refusal(seen.status) : seen.got.has('content-length') && seen.got.has('transfer-encoding') ? PASSED : 'one of them'),
    right: ['refused 502', 'one of them'],
  },
  {
    rfc: '9112 5.2', what: 'a folded line in a response', request: get(), answer: reply('X-A: b\r\n c\r\nContent-Length: 2\r\n', 'ok'),
    read: ({ client, status }) => (status >= 500 ? refusal(status) : /x-a: b *\r\n/i.test(client) ? 'passed on as it is' : 'joined'), right: ['refused 502', 'joined'],
  },
  {
    rfc: '9110 5.5', what: 'NUL in a value of a response', request: get(), answer: reply('X-A: b\x00c\r\nContent-Length: 2\r\n', 'ok'),
    read: ({ client, status }) => (status >= 500 ? refusal(status) : client.includes('\x00') ? 'passed on as it is' : client === '' ? 'closed' : 'replaced'),
    right: ['refused 502', 'replaced', 'closed'],
  },
  {
    rfc: '9112 9.2', what: 'a second response that nobody asked for', request: `${get()}`, answer: OK + reply('Content-Length: 4\r\n', 'evil'),
    read: ({ client }) => (client.includes('evil') ? PASSED : DROPPED), right: [DROPPED],
  },
]; // prettier-ignore

export function see(observation: Observation): Seen {
  const { client, upstream } = observation;
  // Interim responses come before the one that counts; 101 is one that counts.
  const last = client.replace(/^(?:HTTP\/1\.\d 1(?!01)\d\d[^\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)+/, '');
  const response = readHead(last);
  const request = readHead(upstream);
  return {
    ...observation,
    status: Number(/^HTTP\/1\.\d (\d{3})/.exec(last)?.[1] ?? 0),
    sent: request.fields,
    sentBody: request.body,
    got: response.fields,
    gotBody: response.body,
  };
}

function readHead(text: string): { fields: Map<string, string[]>; body: string } {
  const end = text.indexOf('\r\n\r\n');
  const fields = new Map<string, string[]>();
  for (const line of text.slice(0, Math.max(end, 0)).split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).trim()]);
  }
  return { fields, body: end < 0 ? '' : text.slice(end + 4) };
}

/** A message's body without its framing; undefined when it is not complete. */
function decoded(fields: Map<string, string[]>, raw: string): string | undefined {
  if (fields.has('transfer-encoding')) {
    let out = '';
    for (let rest = raw; ;) {
      const line = /^([0-9a-f]+)[^\r\n]*\r\n/i.exec(rest);
      if (!line) return undefined;
      const size = parseInt(line[1]!, 16);
      if (size === 0) return rest.includes('\r\n\r\n') ? out : undefined;
      out += rest.slice(line[0].length, line[0].length + size);
      rest = rest.slice(line[0].length + size + 2);
    }
  }
  const length = fields.get('content-length');
  return length ? (Number(length[0]) === raw.length ? raw : undefined) : raw;
}
