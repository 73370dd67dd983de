import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { cleanUp, givenRuntime, type GivenRuntime } from './runtime.fixture.js';

afterEach(cleanUp);

async function sendRaw(runtime: GivenRuntime, text: string): Promise<string> {
  const socket = connect(runtime.port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe('the server', () => {
  it('says that it is well', async () => {
    const runtime = await givenRuntime();
    expect(await runtime.call('GET', '/health')).toMatchObject({ status: 200, json: { status: 'ok' } });
  });

  it.each([
    ['GET', '/nothing', 404, 'NOT_FOUND', undefined],
    ['GET', '/', 404, 'NOT_FOUND', undefined],
    ['GET', '/health/', 404, 'NOT_FOUND', undefined],
    ['GET', '/constructor', 404, 'NOT_FOUND', undefined],
    ['GET', '/../health', 404, 'NOT_FOUND', undefined],
    ['GET', '/download/%', 400, 'MALFORMED_REQUEST', undefined],
    ['GET', '/download/%ff', 400, 'MALFORMED_REQUEST', undefined],
    ['OPTIONS', '*', 400, 'MALFORMED_REQUEST', undefined],
    ['POST', '/execute', 400, 'MALFORMED_REQUEST', '{"command":'],
    ['POST', '/execute', 400, 'MALFORMED_REQUEST', ''],
    ['POST', '/execute', 413, 'BODY_TOO_LARGE', ' '.repeat(1024 * 1024 + 1)],
    ['POST', '/upload', 400, 'MALFORMED_REQUEST', 'raw without a path'],
  ])('answers %s %s with %d %s', async (method, path, status, code, body) => {
    const runtime = await givenRuntime();
    const answer = await runtime.call(method, path, body);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.json).toEqual({ type: 'about:blank', title: expect.any(String), status, detail: expect.any(String), code });
  });

  it.each([
    ['GET', '/execute', 'POST'],
    ['DELETE', '/health', 'GET, HEAD'],
    ['constructor', '/health', 'GET, HEAD'],
    ['POST', '/files/x', 'GET, HEAD, PUT, DELETE'],
  ])('refuses %s %s and names what is allowed', async (method, path, allow) => {
    const runtime = await givenRuntime();
    const line = `${method === 'constructor' ? 'PATCH' : method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`;
    const answer = await sendRaw(runtime, line);
    expect(answer).toMatch(/^HTTP\/1\.1 405 /);
    expect(answer).toContain(`allow: ${allow}\r\n`);
  });

  it.each([
    ['not HTTP', 'hello\r\n\r\n', 400],
    ['headers too large', `GET /health HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
    ['two lengths', 'POST /execute HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx', 400],
    ['length and chunks', 'POST /execute HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 400],
  ])('answers what is no proper request with a problem: %s', async (_what, text, status) => {
    const runtime = await givenRuntime();
    const answer = await sendRaw(runtime, text);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ type: 'about:blank', status });
  });

  it('keeps a connection after answers and after refusals of small bodies', async () => {
    const runtime = await givenRuntime();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    const requests: [string, string, string, Record<string, string>][] = [
      ['GET', '/health', '', {}],
      ['POST', '/nothing', 'a body that nobody reads', {}],
      ['POST', '/execute', '{}', {}],
      ['PUT', '/files/..', 'a body that nobody reads', {}],
      ['POST', '/upload', '--b\r\nnot a form, and long'.padEnd(20_000), { 'content-type': 'multipart/form-data; boundary=b' }],
      ['PUT', '/files/a', 'content', {}],
      ['GET', '/download/a', '', {}],
      ['POST', '/execute', '{"command":"true"}', { accept: 'text/event-stream' }],
      ['GET', '/health', '', {}],
    ];
    for (const [method, path, body, headers] of requests) {
      await new Promise<void>((resolve, reject) => {
        const sent = request({ port: runtime.port, host: '127.0.0.1', agent, method, path, headers }, (response) => {
          ports.add(sent.socket?.localPort);
          response.on('end', resolve).resume();
        });
        sent.on('error', reject).end(body);
      });
    }
    agent.destroy();
    expect(ports.size).toBe(1);
  });

  it('asks a client that holds its body back for it', async () => {
    const runtime = await givenRuntime();
    const socket = connect(runtime.port, '127.0.0.1');
    socket.write('PUT /files/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n');
    let answer = '';
    for await (const chunk of socket) {
      if (answer === '') socket.write('x');
      answer += String(chunk);
    }
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /);
  });

  it('does not ask for a body that it will not use', async () => {
    const runtime = await givenRuntime();
    const answer = await sendRaw(runtime, 'PUT /nothing HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 404 .*\r\nconnection: close\r\n/is);
  });

  it('refuses to start in a folder that is not there', async () => {
    await expect(givenRuntime({ workFolder: '/no/such/folder' })).rejects.toThrow(/ENOENT/);
  });
});
