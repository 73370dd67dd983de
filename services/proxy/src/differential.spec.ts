import fc from 'fast-check';
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { Admissions } from './admission.js';
import type { Admission } from './admitted.js';
import { ChunkedBody } from './chunked-body.js';
import { ClientConnection } from './client-connection.js';
import { OpenedLink } from './preview-admission.js';
import { Refusal } from './problem.js';
import { clientOrigin } from './client-origin.js';
import { RequestTrail } from './record.js';
import { MalformedResponse, parseResponseHead, type ResponseHead } from './response-head.js';
import { readForwarded } from './testing/forwarded-requests.js';
import { nodeParses, type ParsedMessage } from './testing/node-parser.js';
import { FakeDirectory } from './testing/proxy-under-test.js';

/**
 * Message heads that are nearly right, read by ours and by node:http. Some thousands in CI; SANDLOT_FUZZ_RUNS=1000000 looks longer. What fails is
 * printed with its seed, and SANDLOT_FUZZ_SEED does the same again.
 */
const settings = {
  numRuns: Number(process.env.SANDLOT_FUZZ_RUNS ?? 3000),
  ...(process.env.SANDLOT_FUZZ_SEED && { seed: Number(process.env.SANDLOT_FUZZ_SEED) }),
};
const timeoutMs = 30_000 + settings.numRuns * 5;

const hostile = fc.constantFrom(
  '\0', '\t', '\n', '\r', '\r\n', '\r\n ', ' ', ':', ',', ';', '"', '\x0b', '\x7f', '\x80', '\xff', '0', '1', 'x', '_', '\\', '%', '/', '?', '#', '..',
); // prettier-ignore

/** Text into which a few hostile pieces were put, each in place of up to two characters. */
const mutated = (text: fc.Arbitrary<string>) =>
  fc
    .tuple(text, fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(2), hostile), { maxLength: 3 }))
    .map(([original, mutations]) =>
      mutations.reduce((out, [where, removed, put]) => {
        const at = Math.floor(where * out.length);
        return out.slice(0, at) + put + out.slice(at + removed);
      }, original),
    );

const lines = (field: fc.Arbitrary<string>) => fc.array(field, { maxLength: 6 }).map((all) => all.map((line) => `${line}\r\n`).join(''));

const framing = [
  'Content-Length: 5', 'content-length: 0', 'Content-Length: 5 ', 'Content-Length:5', 'Transfer-Encoding: chunked', 'transfer-encoding:\tChunked',
  'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: identity',
]; // prettier-ignore
const bodies = fc.constantFrom('', 'hello', '5\r\nhello\r\n0\r\n\r\n', '5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n', '0\r\n\r\n');

describe('a response that ours understands', () => {
  const field = fc.constantFrom(
    ...framing, 'Connection: close', 'Connection: keep-alive', 'connection: X-Hop, close', 'X-Hop: 1', 'Set-Cookie: a=b; Path=/', 'X-A:', 'X-A: \t b c \t',
    'Date: Sun, 06 Nov 1994 08:49:37 GMT', 'X-B: \xe9', 'Keep-Alive: timeout=5', 'Trailer: X-Sum',
  ); // prettier-ignore
  const statusLine = fc.constantFrom(
    'HTTP/1.1 200 OK',
    'HTTP/1.1 204 No Content',
    'HTTP/1.1 404 ',
    'HTTP/1.0 200 OK',
    'HTTP/1.1 304 Not Modified',
    'HTTP/1.1 599 ?',
  );
  const response = mutated(fc.tuple(statusLine, lines(field)).map(([first, rest]) => `${first}\r\n${rest}\r\n`));

  it(
    'is understood by node:http, and in the same way: status, fields, framing, body, what is kept open',
    () => {
      fc.assert(
        fc.property(response, bodies, (head, body) => {
          const ours = understood(head);
          if (!ours) return;
          const text = head.slice(0, ours.length) + body;
          const theirs = nodeParses('RESPONSE', text);
          if (theirs instanceof Error) {
            // What follows the head may well be malformed: then ours says so too, or closes the connection.
            expect(bodyOf(ours, body)).toBe('malformed');
            return;
          }
          const [first] = theirs;
          expect(first).toMatchObject({ status: ours.status, fields: ours.headers });
          const mine = bodyOf(ours, body);
          if (mine === 'malformed') return;
          expect({ body: first!.body, complete: first!.complete }).toEqual(mine);
          if (!ours.keepAlive) return;
          // A response to the end of its connection is not kept open, whatever its head says.
          expect(first!.keepAlive).toBe(ours.chunked || ours.contentLength !== undefined || isBodyless(ours));
        }),
        settings,
      );
    },
    timeoutMs,
  );
});

const isBodyless = ({ status }: ResponseHead) => status === 204 || status === 304;

function understood(head: string): ResponseHead | undefined {
  try {
    return parseResponseHead(Buffer.from(head, 'latin1'));
  } catch (error) {
    if (error instanceof MalformedResponse) return undefined;
    throw error;
  }
}

/** The body as UpstreamConnection reads it, with whatever lies behind it being a reason to close. */
function bodyOf(head: ResponseHead, bytes: string): { body: string; complete: boolean } | 'malformed' {
  const extra = (length: number) => bytes.length > length;
  if (isBodyless(head)) return bytes === '' ? { body: '', complete: true } : 'malformed';
  if (head.chunked) {
    const chunks = new ChunkedBody();
    let body = '';
    try {
      const taken = chunks.push(Buffer.from(bytes, 'latin1'), (data) => (body += data.toString('latin1')));
      return extra(taken) ? 'malformed' : { body, complete: chunks.done };
    } catch {
      return 'malformed';
    }
  }
  if (head.contentLength === undefined) return { body: bytes, complete: false };
  return extra(head.contentLength) ? 'malformed' : { body: bytes, complete: bytes.length === head.contentLength };
}

describe('a request that is admitted', () => {
  const directory = new FakeDirectory();
  const key = directory.addUser('alice');
  directory.addUser('bob');
  for (const name of ['s1', 's2']) directory.addSandbox('alice', name, '10.0.0.1:80');
  directory.addSandbox('bob', 's1', '10.0.0.2:80');
  const signer = { sign: () => 'signed' };
  const admissions = new Admissions({ directory, signer, gatewayAddress: '10.0.0.9:80' });
  afterAll(() => admissions.limits.close());

  const target = fc.constantFrom(
    '/proxy/s1/', '/proxy/s1/a/b?c=d', '/alice/s2/x', '/proxy/s1/../s2/', '/proxy/s1//a%2f..', '/bob/s1/', '/proxy/../bob/s1/', '/api/v1/me', '/v1/me?x',
    '/api/../proxy/s1/', 'http://x/proxy/s1/', 'http://y/proxy/s1/', '/proxy/s1:8888/', '/proxy/s1',
  ); // prettier-ignore
  const field = fc.constantFrom(
    ...framing, 'Host: x', 'Host: x', 'Connection: close, X-Hop', 'Connection: X-Sandlot-Identity', 'Connection: keep-alive', 'X-Hop: 1', 'Cookie: a=b', 'TE: trailers',
    'X-Sandlot-Identity: forged', 'x_sandlot_identity: forged', 'X-Forwarded-For: 1.2.3.4', 'Forwarded: for=1.2.3.4', 'X-Request-Id: mine', 'Expect: 100-continue',
    'Via: 1.0 a', 'X-A: \t b ', 'X-B: \xe9', 'Upgrade: h2c', 'Proxy-Authorization: Basic eDp5', 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ); // prettier-ignore
  const method = fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'PROPFIND', 'DELETE');
  const request = mutated(
    fc
      .tuple(method, target, lines(field))
      .map(([verb, path, rest]) => `${verb} ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\n${rest}\r\n`),
  );

  it(
    'is forwarded byte for byte as it was authorised, as one canonical message',
    async () => {
      await fc.assert(
        fc.asyncProperty(request, async (head) => {
          const parsed = nodeParses('REQUEST', head);
          const incoming = parsed instanceof Error ? undefined : parsed[0];
          if (!incoming) return;
          const trail = new RequestTrail(clientOrigin('127.0.0.1', 'http'), { record: () => undefined });
          const admission = await admissions.admit(asIncoming(incoming), ClientConnection.of(new Socket()), trail);
          trail.finish(200);
          if (admission instanceof Refusal || admission instanceof OpenedLink) return;

          const text = forwarded(admission);
          expect(text).not.toContain(key);
          expect(text).not.toContain('forged');
          expect(readForwarded(text)).toEqual({ count: 1, flaws: [] });
          const again = nodeParses('REQUEST', text);
          if (again instanceof Error) throw again;
          expect(again).toHaveLength(1);
          expect(again[0]).toMatchObject({ method: incoming.method, version: '1.1', complete: true });
          const path = incoming.target.replace(/^https?:\/\/[^/?#]*/i, '');
          // The recorded path is what was authorised; the rest behind its prefix is what the sandbox gets.
          expect(trail.path).toBe(path.split('?')[0]);
          if (admission.to === 'gateway') expect(again[0]!.target).toBe(path);
          else expect(path.replace(/^\/(?:proxy|alice)\/s[12](?::[^/?]+)?(?=[/?]|$)/, '').replace(/^(?!\/)/, '/')).toBe(again[0]!.target);
        }),
        settings,
      );
    },
    timeoutMs,
  );

  /** What Exchange writes, with a body as announced. */
  function forwarded({ lines: own, head: { body } }: Admission): string {
    if (body === undefined) return `${own}\r\n`;
    return body === 'chunked'
      ? `${own}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`
      : `${own}content-length: ${body}\r\n\r\n${'x'.repeat(body)}`;
  }

  const asIncoming = ({ method, target: url, version, fields }: ParsedMessage) =>
    ({ method, url, httpVersion: version, rawHeaders: fields, headers: {} }) as unknown as IncomingMessage;
});
