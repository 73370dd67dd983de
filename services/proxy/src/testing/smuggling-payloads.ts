/**
 * Requests that two readers may take for different ones. `PATH/` stands for where the proxy finds its upstream, `KEY` for the credentials'
 * lines. `refused` ones must not reach an upstream at all: RFC 9110 or 9112 says so, or nothing honest sends them. The others may be passed
 * on, if what is passed on is canonical.
 */
export interface SmugglingPayload {
  name: string;
  refused: boolean;
  bytes: string;
}

const POST = 'POST PATH/ HTTP/1.1\r\nHost: x\r\nKEY';
const HIDDEN = 'GET PATH/hidden HTTP/1.1\r\nHost: x\r\nKEY\r\n';
/** As it is written in a table: what is not printable escaped. */
const shown = (text: string) =>
  JSON.stringify(text)
    .slice(1, -1)
    .replace(/[\x7f-\uffff]/g, (character) => `\\x${character.charCodeAt(0).toString(16)}`);

const body = (framing: string, rest = 'hello') => `${POST}${framing}\r\n\r\n${rest}`;
const chunked = (rest: string) => body('Transfer-Encoding: chunked', rest);
const get = (more: string) => `GET PATH/ HTTP/1.1\r\nHost: x\r\nKEY${more}\r\n\r\n`;
const target = (text: string) => `GET ${text} HTTP/1.1\r\nHost: x\r\nKEY\r\n`;
const host = (value: string) => `GET PATH/ HTTP/1.1\r\nHost: ${value}\r\nKEY\r\n`;
const version = (text: string) => `GET PATH/ ${text}\r\nHost: x\r\nKEY\r\n`;

const refused = (name: string, bytes: string): SmugglingPayload => ({ name, refused: true, bytes });
const either = (name: string, bytes: string): SmugglingPayload => ({ name, refused: false, bytes });

const LENGTHS = [
  '+5', '-1', '0x5', '5 5', '1 0', '5;', '5,5', '5, 5', '5, 6', '', ' ', '"5"', '5.0', '5e0', '\xd9\xa5', '5\x0b', '\x0b5', '5\x00', 'five', '0b101', '_5', '5_0',
  '18446744073709551621', '99999999999999999999999999', '4294967301a', '5\x0c', '5 x', 'NaN', '--5', '5-', "5'",
]; // prettier-ignore
const CODINGS = [
  'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'chunked,', ',chunked', 'identity', 'identity, chunked', 'chunked, identity', 'xchunked', 'chunkedx',
  'chunk', '"chunked"', "'chunked'", 'chunked;q=1', 'chunked ; a=b', 'chunked\x00', '\x0bchunked', 'chunked\x0b', '\x0cchunked', 'chun ked', 'c\x00hunked',
  '', 'gzip', 'deflate', 'trailers', 'chunked chunked', '\xef\xbd\x83hunked', 'chun\xe2\x84\xaaed', '\x85chunked', '\xa0chunked',
]; // prettier-ignore
const SIZES = [
  'x', '-1', '+5', '0x5', ' 5', '5 5', '', ';a', '5\x00', '5\x0b', '5,', '5_0', '0x', 'g', '5h', 'ffffffffffffffffff', '10000000000000005', '"5"', '5\ra', '\xef\xbc\x95',
]; // prettier-ignore
const HOSTS = [
  '', 'a/b', 'a@b', 'a, b', 'a b', 'a:b', 'a:', 'a:80:80', 'a?b', 'a#b', 'a\\b', '[::1', '::1', '[::1]x', 'http://x', 'a\x00b', 'a%2fb', 'a:99999999', '"a"',
  '[]', 'a;b', '*', '<a>',
]; // prettier-ignore
const VERSIONS = [
  'HTTP/2.0', 'HTTP/1.2', 'HTTP/1.10', 'HTTP/0.9', 'HTTP/9.9', 'HTTP/11', 'HTTP/1', 'http/1.1', 'HTTP/1,1', 'HTTP/1.1x', 'HTTP/ 1.1', 'HTTPS/1.1', 'HTTP/-1.1',
  'ICE/1.1', 'HTTP/1.1\x00', 'HTTP/1.1 HTTP/1.1', 'XHTTP/1.1', 'HTTP/1.\xd9\xa1',
]; // prettier-ignore
const TARGETS = [
  'PATH/..\\..\\bob\\s1', '/proxy/../bob/s1/', '/proxy/%2e%2e/bob/s1/', '/proxy/./s1/', '/proxy//s1/', '//proxy/s1/', '/proxy/s1%2f..%2fbob/', '/proxy%2fs1/',
  '/proxy/s1%00/', '/proxy/s1;a/', '/proxy/%73%31/', '/proxy/s1%252f/', '/proxy\\s1\\', '/%70roxy/s1/', '/alice/../bob/s1/', 'PATH/#fragment', 'PATH/\x00',
  'PATH/\x7f', 'PATH/\xc3\xa9', 'proxy/s1/', '?x', '*', 'x:80', 'http:PATH/', 'http:/PATH/', 'http://', 'file:///proxy/s1/', '\\proxy\\s1',
]; // prettier-ignore
const CONTROLS = ['\x00', '\x01', '\x07', '\x08', '\x0b', '\x0c', '\x1b', '\x1f', '\x7f'];
const NOT_TOKENS = ['X A', 'X(A)', 'X"A', 'X/A', 'X@A', 'X[A]', 'X{A}', 'X\\A', 'X,A', 'X;A', 'X=A', 'X<A>', 'X?A', 'X\xc3\xa9', ''];
const NEVER_LISTED = [
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'Authorization',
  'X-API-Key',
  'X-Forwarded-For',
  'X-Sandlot-Identity',
  'Cookie',
];

export const SMUGGLING_PAYLOADS: SmugglingPayload[] = [
  refused('Content-Length, then Transfer-Encoding', body('Content-Length: 5\r\nTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`)),
  refused('Transfer-Encoding, then Content-Length', body('Transfer-Encoding: chunked\r\nContent-Length: 5', `0\r\n\r\n${HIDDEN}`)),
  refused('Content-Length: 0 and Transfer-Encoding', body('Content-Length: 0\r\nTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`)),
  refused('both, the second in another case', body('Content-Length: 5\r\ntRANSFER-eNCODING: chunked', `0\r\n\r\n${HIDDEN}`)),
  refused('both, the coding unknown', body('Content-Length: 5\r\nTransfer-Encoding: xchunked')),
  refused('both, a space before the second colon', body('Content-Length: 5\r\nTransfer-Encoding : chunked', `0\r\n\r\n${HIDDEN}`)),
  refused('both, the second folded', body('Content-Length: 5\r\nTransfer-Encoding:\r\n chunked', `0\r\n\r\n${HIDDEN}`)),
  refused('both, behind a bare LF', body('Content-Length: 5\r\nX-A: b\nTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`)),
  refused('both, behind a bare CR', body('Content-Length: 5\r\nX-A: b\rTransfer-Encoding: chunked', `0\r\n\r\n${HIDDEN}`)),
  refused('two lengths that differ', body('Content-Length: 5\r\nContent-Length: 6', 'hello!')),
  refused('one length twice', body('Content-Length: 5\r\nContent-Length: 5')),
  refused('the second length in lower case', body('Content-Length: 5\r\ncontent-length: 0')),
  refused('chunked twice', body('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', '0\r\n\r\n')),
  refused('chunked, then identity in a line of its own', body('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', '0\r\n\r\n')),
  refused('Transfer-Encoding on HTTP/1.0', 'POST PATH/ HTTP/1.0\r\nHost: x\r\nKEYTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  either('Content_Length', body('Content_Length: 5')),
  either('Transfer_Encoding', body('Transfer_Encoding: chunked', '0\r\n\r\n')),
  either('Content-Length with zeros in front', body('Content-Length: 0005')),
  either('CHUNKED', body('Transfer-Encoding: CHUNKED', '5\r\nhello\r\n0\r\n\r\n')),
  either('a body on GET', `GET PATH/ HTTP/1.1\r\nHost: x\r\nKEYContent-Length: ${HIDDEN.length}\r\n\r\n${'x'.repeat(HIDDEN.length)}`),
  ...LENGTHS.map((value) => refused(`Content-Length: ${shown(value)}`, body(`Content-Length: ${value}`))),
  ...CODINGS.map((value) => refused(`Transfer-Encoding: ${shown(value)}`, body(`Transfer-Encoding: ${value}`, `0\r\n\r\n${HIDDEN}`))),
  ...SIZES.map((size) => refused(`chunk size ${shown(size)}`, chunked(`${size}\r\nhello\r\n0\r\n\r\n`))),
  refused('bare LF after a chunk size', chunked('5\nhello\r\n0\r\n\r\n')),
  refused('bare CR after a chunk size', chunked('5\rhello\r\n0\r\n\r\n')),
  refused('a chunk longer than announced', chunked('4\r\nhello\r\n0\r\n\r\n')),
  refused('a chunk shorter than announced', chunked('6\r\nhello\r\n0\r\n\r\n')),
  refused('bare LF after a chunk', chunked('5\r\nhello\n0\r\n\r\n')),
  refused('no line end after a chunk', chunked('5\r\nhello0\r\n\r\n')),
  refused('a trailer with a space before the colon', chunked('5\r\nhello\r\n0\r\nX-A : b\r\n\r\n')),
  refused('bare LF in trailers', chunked('5\r\nhello\r\n0\r\nX-A: b\n\r\n')),
  refused('bare LF in a chunk extension', chunked('5;a\nb\r\nhello\r\n0\r\n\r\n')),
  either('a chunk extension', chunked('5;a=b\r\nhello\r\n0\r\n\r\n')),
  either('framing in trailers', chunked(`5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\nHost: y\r\n\r\n`)),
  either('zeros before a chunk size', chunked('0005\r\nhello\r\n0\r\n\r\n')),
  either('more zeros as the last chunk', chunked('5\r\nhello\r\n000\r\n\r\n')),
  refused('a space before a colon', get('X-A : b')),
  refused('a tab before a colon', get('X-A\t: b')),
  refused('a space before the colon of Host', 'GET PATH/ HTTP/1.1\r\nHost : x\r\nKEY\r\n'),
  refused('a space before the colon of Content-Length', body('Content-Length : 5')),
  refused('a folded line', get('X-A: b\r\n c')),
  refused('a line folded with a tab', get('X-A: b\r\n\tc')),
  refused('a folded Content-Length', body('Content-Length:\r\n 5')),
  refused('a first field that is indented', 'GET PATH/ HTTP/1.1\r\n Host: x\r\nKEY\r\n'),
  refused('bare LF after the request line', 'GET PATH/ HTTP/1.1\nHost: x\r\nKEY\r\n'),
  refused('bare LF between fields', get('X-A: b\nX-B: c')),
  refused('bare LF everywhere', 'GET PATH/ HTTP/1.1\nHost: x\n\n'),
  refused('bare LF as the end', `GET PATH/ HTTP/1.1\r\nHost: x\r\nKEYX-A: b\n\n`),
  refused('CR CR LF after a field', get('X-A: b\r')),
  refused('bare CR in a value', get('X-A: b\rX-B: c')),
  refused('bare CR as the end', 'GET PATH/ HTTP/1.1\rHost: x\r\r'),
  ...CONTROLS.map((control) => refused(`${shown(control)} in a value`, get(`X-A: b${control}c`))),
  ...CONTROLS.map((control) => refused(`${shown(control)} in a name`, get(`X-${control}A: b`))),
  ...NOT_TOKENS.map((name) => refused(`the name ${shown(name)}`, get(`${name}: b`))),
  refused('a line without colon', get('nothing')),
  ...HOSTS.map((value) => refused(`Host: ${shown(value)}`, host(value))),
  refused('no Host', 'GET PATH/ HTTP/1.1\r\nKEY\r\n'),
  refused('two Hosts', 'GET PATH/ HTTP/1.1\r\nHost: x\r\nHost: y\r\nKEY\r\n'),
  refused('the same Host twice', 'GET PATH/ HTTP/1.1\r\nHost: x\r\nhost: x\r\nKEY\r\n'),
  refused('an absolute target of another host', target('http://evil.examplePATH/')),
  refused('an absolute target of another port', target('http://x:81PATH/')),
  refused('an absolute target with a user', target('http://alice@xPATH/')),
  either('an absolute target of the same host', target('http://xPATH/')),
  ...TARGETS.map((text) => refused(`the target ${shown(text)}`, target(text))),
  either('dot segments behind the routed part', target('PATH/../../bob/s1/')),
  either('an encoded slash behind the routed part', target('PATH/a%2f..%2fb')),
  either('more spaces in the request line', `GET  PATH/  HTTP/1.1\r\nHost: x\r\nKEY\r\n`),
  refused('a tab in the request line', `GET\tPATH/\tHTTP/1.1\r\nHost: x\r\nKEY\r\n`),
  refused('a space in the target', target('PATH/a b')),
  ...VERSIONS.map((text) => refused(`the version ${shown(text)}`, version(text))),
  refused('HTTP/0.9', 'GET PATH/\r\n\r\n'),
  refused('the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  refused('a method in lower case', `get PATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n`),
  refused('a method with a control', `G\x00ET PATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n`),
  refused('a method that is no token', `G(T PATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n`),
  refused('bytes before the method', `\x00GET PATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n`),
  either('empty lines before the request', `\r\n\r\nGET PATH/ HTTP/1.1\r\nHost: x\r\nKEY\r\n`),
  ...NEVER_LISTED.map((name) => refused(`Connection: ${name}`, get(`Connection: close, ${name}`))),
  either('Connection: X-Private', get('Connection: close, X-Private\r\nX-Private: 1')),
  either('Upgrade: h2c', get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__')),
  either('Upgrade: websocket without its fields', get('Connection: Upgrade\r\nUpgrade: websocket')),
  either('TE: trailers', get('Connection: TE\r\nTE: trailers')),
  either('Keep-Alive and Proxy-Connection', get('Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive')),
  refused('an expectation that nobody knows', body('Expect: 200-maybe\r\nContent-Length: 5')),
  either('a name with _', get('X_Sandlot_Identity: forged')),
  either('a request hidden in a body', body(`Content-Length: ${'GET /hidden HTTP/1.1\r\n\r\n'.length}`, 'GET /hidden HTTP/1.1\r\n\r\n')),
  either('three requests at once', `${get('X-A: 1')}${body('Content-Length: 5')}${chunked('5\r\nhello\r\n0\r\n\r\n')}`),
  either('a good request, then a bad one', `${get('X-A: 1')}GET PATH/ HTTP/1.1\r\nHost: x\r\nHost: y\r\nKEY\r\n`),
  either('a good request, then noise', `${get('X-A: 1')}\x16\x03\x01\x02`),
];
