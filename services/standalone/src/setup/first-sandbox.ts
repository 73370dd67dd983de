import { randomBytes, X509Certificate } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { text as textOf } from 'node:stream/consumers';

export interface Trial {
  /** Of the public port. */
  readonly url: string;
  readonly adminKey: string;
  /** Whether to make a sandbox too, which takes the image of one. */
  readonly sandbox: boolean;
  /** PEM of the certificate that the port must show, where it speaks TLS under a name that is not in `url`. Default: Node's authorities. */
  readonly certificate?: string | undefined;
  readonly log: (line: string) => void;
}

/** What an operator would try first, through the front door: is the administrator let in, does a sandbox run code. Leaves nothing behind. */
export async function tryPlatform({ url, adminKey, sandbox, certificate, log }: Trial): Promise<void> {
  const tls = certificate ? trusting(certificate) : {};
  const ask = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const headers = { authorization: `Bearer ${adminKey}`, prefer: 'wait=60', ...(body && { 'content-type': 'application/json' }) };
    const options = { ...tls, method, headers, signal: AbortSignal.timeout(90_000) };
    const { status, text } = await send(new URL(path, url), options, body).catch((cause: Error) => {
      throw new Error(`${method} ${path}: ${url} does not answer: ${cause.message}`, { cause });
    });
    if (status < 200 || status > 299) throw new Error(`${method} ${path} was answered ${status}: ${text.slice(0, 500)}`);
    return (text ? JSON.parse(text) : {}) as Record<string, unknown>;
  };
  const { username, role } = await ask('GET', '/api/v1/me');
  if (role !== 'admin') throw new Error(`the bootstrap key belongs to ${String(username)}, who is no administrator`);
  log(`the administrator ${String(username)} is let in`);
  if (!sandbox) return;
  const name = `trial-${randomBytes(4).toString('hex')}`;
  const { state } = await ask('POST', '/api/v1/sandboxes', { name });
  try {
    if (state !== 'running')
      throw new Error(`the sandbox is ${String(state)}, not running, after 60 s; GET /api/v1/sandboxes/${name} says why`);
    const { stdout } = await ask('POST', `/proxy/${name}/execute`, { command: 'echo hello' });
    if (stdout !== 'hello\n') throw new Error(`a command in the sandbox printed ${JSON.stringify(stdout)}, not "hello"`);
    log('a sandbox was made and has run a command');
  } finally {
    await ask('DELETE', `/api/v1/sandboxes/${name}`);
  }
}

/** That certificate alone, by one of its own names: it is another address that people use. */
function trusting(pem: string): RequestOptions {
  const [name] = /(?<=DNS:)[^,\s]+/.exec(new X509Certificate(pem).subjectAltName ?? '') ?? [];
  if (!name) throw new Error('the certificate of the public port has no DNS name; make one that has the host of accessUrl');
  return { ca: pem, allowPartialTrustChain: true, servername: name.replace('*', 'any') };
}

/** Not `fetch`, which can trust no single certificate. */
async function send(url: URL, options: RequestOptions, body?: object): Promise<{ status: number; text: string }> {
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options);
  const answer = new Promise<{ status: number; text: string }>((resolve, reject) => {
    request.on('error', reject).on('response', (response) => {
      textOf(response).then((text) => resolve({ status: response.statusCode!, text }), reject);
    });
  });
  request.end(body && JSON.stringify(body));
  return answer;
}
