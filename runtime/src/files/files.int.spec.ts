import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { cleanUp, givenFolder, givenRuntime, waitFor } from '../runtime.fixture.js';

afterEach(cleanUp);

function form(filename: string, content: Buffer | string, extra = '') {
  const head = `--b0undary\r\nContent-Disposition: form-data; name="file"; filename="${filename}"\r\nContent-Type: text/plain\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), Buffer.from(content), Buffer.from(`\r\n--b0undary${extra}--\r\n`)]);
  return [body, { 'content-type': 'multipart/form-data; boundary=b0undary' }] as const;
}

describe('files', () => {
  const binary = randomBytes(3_000_001);

  it('come back byte for byte as they were sent in a form', async () => {
    const runtime = await givenRuntime();
    const stored = await runtime.call('POST', '/upload', ...form('deep/folder/data é.bin', binary));
    expect(stored.status).toBe(201);
    expect(stored.json).toEqual({ path: 'deep/folder/data é.bin', size: binary.length });
    const answer = await runtime.call('GET', '/download/deep/folder/data%20%C3%A9.bin');
    expect(answer.headers['content-length']).toBe(String(binary.length));
    expect(answer.bytes.equals(binary)).toBe(true);
  });

  it.each([
    ['POST', '/upload?path=a/b.bin'],
    ['PUT', '/files/a/b.bin'],
  ])('come back byte for byte as they were sent raw: %s %s', async (method, path) => {
    const runtime = await givenRuntime();
    expect((await runtime.call(method, path, binary)).json).toEqual({ path: 'a/b.bin', size: binary.length });
    expect((await runtime.call('GET', '/files/a/b.bin')).bytes.equals(binary)).toBe(true);
  });

  it('take an empty file in every form', async () => {
    const runtime = await givenRuntime();
    await runtime.call('POST', '/upload', ...form('one', ''));
    await runtime.call('PUT', '/files/two', '');
    expect((await runtime.call('GET', '/download/one')).headers['content-length']).toBe('0');
    expect((await runtime.call('GET', '/download/two')).status).toBe(200);
  });

  it('are replaced whole, keep their mode, and leave nothing beside them', async () => {
    const runtime = await givenRuntime();
    await writeFile(join(runtime.folder, 'run.sh'), 'old');
    await chmod(join(runtime.folder, 'run.sh'), 0o750);
    expect((await runtime.call('PUT', '/files/run.sh', 'new')).status).toBe(201);
    expect(await readFile(join(runtime.folder, 'run.sh'), 'utf8')).toBe('new');
    expect((await stat(join(runtime.folder, 'run.sh'))).mode & 0o777).toBe(0o750);
    expect(await readdir(runtime.folder)).toEqual(['run.sh']);
  });

  it('stay as they were when an upload breaks off', async () => {
    const runtime = await givenRuntime();
    await writeFile(join(runtime.folder, 'file'), 'old');
    const socket = connect(runtime.port, '127.0.0.1');
    socket.write('PUT /files/file HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\nnew');
    await waitFor(async () => (await readdir(runtime.folder)).length === 2, 'the upload under way');
    socket.destroy();
    await waitFor(async () => (await readdir(runtime.folder)).length === 1, 'its remains gone');
    expect(await readFile(join(runtime.folder, 'file'), 'utf8')).toBe('old');
  });

  it('are listed with type, size and time, links as links', async () => {
    const runtime = await givenRuntime();
    await mkdir(join(runtime.folder, 'dir/inner'), { recursive: true });
    await writeFile(join(runtime.folder, 'dir/file'), '12345');
    await symlink('file', join(runtime.folder, 'dir/link'));
    for (const path of ['/list/dir', '/list/dir/']) {
      const answer = await runtime.call('GET', path);
      expect(answer.json.entries).toMatchObject([
        { name: 'file', type: 'file', size: 5, modified: expect.stringMatching(/^\d{4}-.*Z$/) },
        { name: 'inner', type: 'directory' },
        { name: 'link', type: 'symlink' },
      ]);
    }
    for (const path of ['/list', '/list/']) expect((await runtime.call('GET', path)).json.entries).toMatchObject([{ name: 'dir' }]);
  });

  it('exist or not, with their type', async () => {
    const runtime = await givenRuntime();
    await mkdir(join(runtime.folder, 'dir'));
    await writeFile(join(runtime.folder, 'file'), '');
    expect((await runtime.call('GET', '/exists/file')).json).toEqual({ path: 'file', exists: true, type: 'file' });
    expect((await runtime.call('GET', '/exists/dir')).json).toEqual({ path: 'dir', exists: true, type: 'directory' });
    expect((await runtime.call('GET', '/exists/none')).json).toEqual({ path: 'none', exists: false });
    expect((await runtime.call('GET', '/exists/file/below')).json).toEqual({ path: 'file/below', exists: false });
  });

  it('are deleted; a directory only when empty or told to; a link without its target', async () => {
    const runtime = await givenRuntime();
    const outside = await givenFolder();
    await writeFile(join(outside, 'precious'), '');
    await mkdir(join(runtime.folder, 'dir'));
    await writeFile(join(runtime.folder, 'dir/file'), '');
    await symlink(outside, join(runtime.folder, 'dir/link'));
    expect((await runtime.call('DELETE', '/files/dir')).json).toMatchObject({ status: 409, code: 'NOT_EMPTY' });
    expect((await runtime.call('DELETE', '/files/dir/file')).status).toBe(204);
    expect((await runtime.call('DELETE', '/files/dir/file')).status).toBe(404);
    expect((await runtime.call('DELETE', '/files/dir?recursive=true')).status).toBe(204);
    expect(await readdir(runtime.folder)).toEqual([]);
    expect(await readdir(outside)).toEqual(['precious']);
    expect((await runtime.call('DELETE', '/files/')).status).toBe(400);
  });

  it('answer HEAD with the length and no body', async () => {
    const runtime = await givenRuntime();
    await writeFile(join(runtime.folder, 'file'), '12345');
    const answer = await runtime.call('HEAD', '/download/file');
    expect([answer.status, answer.headers['content-length'], answer.bytes.length]).toEqual([200, '5', 0]);
  });

  it.each([
    ['GET', '/download/none', 404, 'NOT_FOUND'],
    ['GET', '/download/dir', 409, 'NOT_A_FILE'],
    ['GET', '/download/fifo', 409, 'NOT_A_FILE'],
    ['GET', '/list/file', 409, 'NOT_A_DIRECTORY'],
    ['PUT', '/files/dir', 409, 'NOT_A_FILE'],
    ['PUT', '/files/fifo', 409, 'NOT_A_FILE'],
    ['PUT', '/files/file/below', 409, 'NOT_A_DIRECTORY'],
    ['PUT', `/files/${'x'.repeat(300)}`, 400, 'INVALID_PATH'],
  ])('say why not: %s %s', async (method, path, status, code) => {
    const runtime = await givenRuntime();
    await mkdir(join(runtime.folder, 'dir'));
    await writeFile(join(runtime.folder, 'file'), '');
    await runtime.execute({ command: 'mkfifo fifo' });
    expect((await runtime.call(method, path)).json).toMatchObject({ status, code });
  });
});

describe('the size limit', () => {
  it.each([
    ['declared', {}],
    ['found out on the way', { 'transfer-encoding': 'chunked' }],
  ])('refuses a larger file (%s), keeps nothing of it, and the client sees why', async (_how, headers) => {
    const runtime = await givenRuntime({ maxUploadBytes: 1000 });
    const answer = await runtime.call('PUT', '/files/a', Buffer.alloc(5_000_000), headers as Record<string, string>);
    expect(answer.json).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' });
    expect((await runtime.call('POST', '/upload', ...form('a', Buffer.alloc(1001)))).status).toBe(413);
    expect(await readdir(runtime.folder)).toEqual([]);
    expect((await runtime.call('PUT', '/files/a', Buffer.alloc(1000))).status).toBe(201);
    expect((await runtime.call('POST', '/upload', ...form('a', Buffer.alloc(1000)))).status).toBe(201);
  });

  it('is told even to a client that sends all before it reads', async () => {
    const runtime = await givenRuntime({ maxUploadBytes: 1000 });
    const socket = connect({ port: runtime.port, host: '127.0.0.1' });
    // More than the buffers between the two hold: were the server to close early, this write would fail.
    const body = Buffer.alloc(20_000_000);
    socket.write(`PUT /files/a HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.write(body, () => resolve());
    });
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('is answered before the body to a client that asks first', async () => {
    const runtime = await givenRuntime({ maxUploadBytes: 1000 });
    // Were the server to wait for the body, this would never end: nothing is sent.
    const socket = connect(runtime.port, '127.0.0.1');
    socket.write('PUT /files/a HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 1000000\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
  });
});

describe('confinement', () => {
  const routes: [string, (path: string) => string][] = [
    ['GET', (path) => `/download/${path}`],
    ['GET', (path) => `/list/${path}`],
    ['GET', (path) => `/exists/${path}`],
    ['GET', (path) => `/files/${path}`],
    ['PUT', (path) => `/files/${path}`],
    ['DELETE', (path) => `/files/${path}`],
    ['POST', (path) => `/upload?path=${path}`],
  ];
  const paths = [
    '../outside',
    'a/../../outside',
    '%2e%2e/outside',
    '..%2foutside',
    '/etc/passwd',
    '%2fetc/passwd',
    'a//b',
    './a',
    'a/.',
    'a%00b',
    'a/..',
  ];

  it.each(routes.map(([method, at]) => [method, at('…'), at] as const))(
    'refuses paths that are not plain: %s %s',
    async (method, _shown, at) => {
      const runtime = await givenRuntime();
      await mkdir(join(runtime.folder, 'a'));
      for (const path of paths) {
        const answer = await runtime.call(method, at(path), method === 'PUT' || method === 'POST' ? 'x' : undefined);
        expect([path, answer.status, answer.json.code]).toEqual([path, 400, 'INVALID_PATH']);
      }
      expect(await readdir(runtime.folder)).toEqual(['a']);
    },
  );

  it.each(['../out', '/tmp/out', 'a/../../out', '', 'a\\b', 'a%22b'])('refuses the filename %j in a form', async (filename) => {
    const runtime = await givenRuntime();
    expect((await runtime.call('POST', '/upload', ...form(filename, 'x'))).status).toBe(400);
    expect(await readdir(runtime.folder)).toEqual([]);
  });

  it('refuses symbolic links that lead out or nowhere, and follows those that stay inside', async () => {
    const runtime = await givenRuntime();
    const outside = await givenFolder();
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink(outside, join(runtime.folder, 'out'));
    await symlink(join(outside, 'secret'), join(runtime.folder, 'out-file'));
    await symlink(join(outside, 'new'), join(runtime.folder, 'out-new'));
    const refused: [string, string][] = [
      ['GET', '/download/out/secret'],
      ['GET', '/download/out-file'],
      ['GET', '/list/out'],
      ['GET', '/exists/out/secret'],
      ['PUT', '/files/out/new'],
      ['PUT', '/files/out/deep/new'],
      ['PUT', '/files/out-file'],
      ['PUT', '/files/out-new'],
      ['DELETE', '/files/out/secret'],
    ];
    for (const [method, path] of refused) {
      const answer = await runtime.call(method, path, method === 'PUT' ? 'x' : undefined);
      expect([path, answer.status, answer.json.code]).toEqual([path, 403, 'OUTSIDE_WORK_FOLDER']);
    }
    expect(await readdir(outside)).toEqual(['secret']);
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret');
    expect((await runtime.execute({ command: 'pwd', cwd: 'out' })).status).toBe(422);

    await mkdir(join(runtime.folder, 'in'));
    await symlink('in', join(runtime.folder, 'alias'));
    expect((await runtime.call('PUT', '/files/alias/file', 'kept')).status).toBe(201);
    expect(await readFile(join(runtime.folder, 'in/file'), 'utf8')).toBe('kept');
  });
});
