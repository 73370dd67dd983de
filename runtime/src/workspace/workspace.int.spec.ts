import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, link, lstat, mkdir, readdir, readFile, readlink, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { cleanUp, givenFolder, givenRuntime, waitFor, type GivenRuntime } from '../runtime.fixture.js';
import { encodeHeader, padding, type TarEntry } from './tar-format.js';

const run = promisify(execFile);
const long = `${'deep/'.repeat(60)}${'n'.repeat(200)}.txt`;

afterEach(cleanUp);

/** A folder as people have them: names of every kind, an empty file and folder, links, a program. */
async function givenWork(folder: string): Promise<void> {
  await mkdir(join(folder, 'src/empty'), { recursive: true });
  await mkdir(join(folder, 'deep/'.repeat(60)), { recursive: true });
  await writeFile(join(folder, 'src/data é 日本.bin'), randomBytes(1_000_003));
  await writeFile(join(folder, 'src/empty.txt'), '');
  await writeFile(join(folder, 'src/exact'), randomBytes(512));
  await writeFile(join(folder, long), 'far down');
  await writeFile(join(folder, 'run.sh'), 'echo hello');
  await chmod(join(folder, 'run.sh'), 0o750);
  await utimes(join(folder, 'run.sh'), 1_600_000_000, 1_600_000_000);
  await symlink('../src/exact', join(folder, 'deep/link'));
  await symlink('.', join(folder, 'src/here'));
}

/** Every path below a folder, with what it is. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  // With their types: without, readdir goes through links, round and round where one leads to its own folder.
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const full of entries.map((entry) => join(entry.parentPath, entry.name)).sort()) {
    const path = relative(folder, full);
    const stats = await lstat(full);
    const bits = (stats.mode & 0o777).toString(8);
    if (stats.isSymbolicLink()) found[path] = `-> ${await readlink(full)}`;
    else if (stats.isDirectory()) found[path] = `directory ${bits}`;
    else found[path] = `${bits} ${Math.floor(stats.mtimeMs / 1_000)} ${(await readFile(full)).toString('base64')}`;
  }
  return found;
}

function archive(...entries: (Partial<TarEntry> & Pick<TarEntry, 'path'> & { content?: string; flag?: string })[]): Buffer {
  const bytes = entries.flatMap(({ content = '', flag, ...entry }) => {
    const header = encodeHeader({ type: 'file', size: content.length, mode: 0o644, mtime: 0, ...entry });
    return [flag === undefined ? header : withFlag(header, flag), Buffer.from(content), padding(content.length)];
  });
  return Buffer.concat([...bytes, Buffer.alloc(1024)]);
}

function withFlag(header: Buffer, flag: string): Buffer {
  const sum = parseInt(header.toString('latin1', 148, 154), 8) - header[156]! + flag.charCodeAt(0);
  header.write(flag, 156);
  header.write(sum.toString(8).padStart(6, '0'), 148);
  return header;
}

async function unchanged(runtime: GivenRuntime, names: string[] = []): Promise<void> {
  expect((await readdir(runtime.folder)).sort()).toEqual(names);
}

describe('a workspace (S2-31)', () => {
  it('comes out as tar and goes into another sandbox with every file, folder, link, mode and time', async () => {
    const from = await givenRuntime();
    await givenWork(from.folder);
    const { status, headers, bytes } = await from.call('GET', '/workspace');
    expect([status, headers['content-type']]).toEqual([200, 'application/x-tar']);

    const to = await givenRuntime();
    const answer = await to.call('PUT', '/workspace', bytes, { 'content-type': 'application/x-tar' });
    expect([answer.status, answer.json]).toEqual([
      200,
      { files: 5, directories: 62, links: 2, skippedLinks: 0, bytes: 1_000_003 + 512 + 8 + 10 },
    ]);
    expect(await contentOf(to.folder)).toEqual(await contentOf(from.folder));
    expect(await to.call('PUT', '/workspace', bytes)).toMatchObject({ status: 200, json: answer.json });
    expect(await contentOf(to.folder)).toEqual(await contentOf(from.folder));
  });

  it('comes out as what tar unpacks', async () => {
    const runtime = await givenRuntime();
    await givenWork(runtime.folder);
    const folder = await givenFolder();
    const file = join(await givenFolder(), 'w.tar');
    await writeFile(file, (await runtime.call('GET', '/workspace')).bytes);
    await run('tar', ['-xpf', file, '-C', folder]);
    expect(await contentOf(folder)).toEqual(await contentOf(runtime.folder));
  });

  it.each(['gnu', 'pax', 'ustar'])('goes in as tar packs it, in the format %s', async (format) => {
    const runtime = await givenRuntime();
    const folder = await givenFolder();
    await givenWork(folder);
    if (format === 'ustar') await run('rm', ['-r', join(folder, 'deep/deep')]); // that one has no room for such names
    const file = join(await givenFolder(), 'w.tar');
    await run('tar', ['-cf', file, `--format=${format}`, '-C', folder, '.']);
    expect((await runtime.call('PUT', '/workspace', await readFile(file))).status).toBe(200);
    expect(await contentOf(runtime.folder)).toEqual(await contentOf(folder));
  });

  it('keeps what an archive does not name, and takes from it what both have', async () => {
    const runtime = await givenRuntime();
    await mkdir(join(runtime.folder, 'src'));
    await writeFile(join(runtime.folder, 'src/mine'), 'mine');
    await writeFile(join(runtime.folder, 'src/both'), 'old');
    expect(
      (await runtime.call('PUT', '/workspace', archive({ path: 'src/both', content: 'new' }, { path: 'x', content: 'y' }))).status,
    ).toBe(200);
    expect(await readFile(join(runtime.folder, 'src/both'), 'utf8')).toBe('new');
    expect(await readFile(join(runtime.folder, 'src/mine'), 'utf8')).toBe('mine');
    await unchanged(runtime, ['src', 'x']);
  });

  it.each([
    ['/etc/passwd', {}],
    ['../up', {}],
    ['a/../../up', {}],
    ['a//b', {}],
    ['a/./b', {}],
    ['device', { flag: '3' }],
    ['pipe', { flag: '6' }],
    ['hard', { flag: '1' }],
    ['out', { type: 'symlink', target: '/etc/passwd' }],
    ['out', { type: 'symlink', target: '../up' }],
    ['a/out', { type: 'symlink', target: '../../up' }],
    ['a/out', { type: 'symlink', target: 'b/../../up' }],
    ['out', { type: 'symlink', target: '' }],
  ] as const)('is refused, and nothing changed, with an entry %s %j', async (path, more) => {
    const runtime = await givenRuntime();
    const answer = await runtime.call('PUT', '/workspace', archive({ path: 'first', content: 'x' }, { path, ...more }));
    expect([answer.status, answer.json.code]).toEqual([422, 'VALIDATION_FAILED']);
    expect(answer.json.detail).toContain(JSON.stringify(path));
    await unchanged(runtime);
  });

  it('is never written through a link, neither its own nor one that was there', async () => {
    const runtime = await givenRuntime();
    const outside = await givenFolder();
    const link = { path: 'a', type: 'symlink', target: 'b' } as const;
    const through = archive({ path: 'b', type: 'directory', mode: 0o755 }, link, { path: 'a/x', content: 'x' });
    expect((await runtime.call('PUT', '/workspace', through)).status).toBe(422);
    await symlink(outside, join(runtime.folder, 'out'));
    await symlink(join(outside, 'file'), join(runtime.folder, 'file'));
    const answer = await runtime.call('PUT', '/workspace', archive({ path: 'out/x', content: 'x' }));
    expect([answer.status, answer.json.code]).toEqual([409, 'NOT_A_DIRECTORY']);
    expect((await runtime.call('PUT', '/workspace', archive({ path: 'file', content: 'x' }))).status).toBe(200);
    expect(await readdir(outside)).toEqual([]);
    expect((await lstat(join(runtime.folder, 'file'))).isFile()).toBe(true);
  });

  it('loses its links out of the folder where one asks for that, and says how many', async () => {
    const runtime = await givenRuntime();
    const bytes = archive({ path: 'python', type: 'symlink', target: '/usr/bin/python3' }, { path: 'x', content: 'x' });
    const answer = await runtime.call('PUT', '/workspace?outsideLinks=skip', bytes);
    expect([answer.status, answer.json]).toEqual([200, { files: 1, directories: 0, links: 0, skippedLinks: 1, bytes: 1 }]);
    await unchanged(runtime, ['x']);
    expect((await runtime.call('PUT', '/workspace?outsideLinks=keep', bytes)).status).toBe(400);
  });

  it.each([
    ['files that are together larger', { maxWorkspaceBytes: 15 }],
    ['more entries', { maxWorkspaceEntries: 1 }],
  ])('is refused when it has %s than is allowed', async (_, options) => {
    const runtime = await givenRuntime(options);
    const answer = await runtime.call(
      'PUT',
      '/workspace',
      archive({ path: 'a', content: '0123456789' }, { path: 'b', content: '0123456789' }),
    );
    expect([answer.status, answer.json.code]).toEqual([413, 'BODY_TOO_LARGE']);
    await unchanged(runtime);
  });

  it('is refused, and nothing changed, when it is cut off, damaged, compressed or no archive at all', async () => {
    const runtime = await givenRuntime();
    const whole = archive({ path: 'a', content: 'x'.repeat(2_000) });
    const damaged = Buffer.from(whole);
    damaged[10]! ^= 1;
    const bad = [
      whole.subarray(0, 1_000),
      whole.subarray(0, -1_024),
      damaged,
      Buffer.from([0x1f, 0x8b, 8, 0]),
      randomBytes(5_000),
      Buffer.alloc(0),
    ];
    for (const body of bad) expect((await runtime.call('PUT', '/workspace', body)).json.code).toBe('MALFORMED_REQUEST');
    await unchanged(runtime);
  });

  it('is as it was when the client goes away in the middle', async () => {
    const runtime = await givenRuntime();
    const socket = connect(runtime.port, '127.0.0.1');
    socket.write('PUT /workspace HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n');
    socket.write(archive({ path: 'a', content: 'x' }).subarray(0, 1_024));
    await waitFor(async () => (await readdir(runtime.folder)).length === 1, 'the import under way');
    socket.destroy();
    await waitFor(async () => (await readdir(runtime.folder)).length === 0, 'what it had begun to be gone');
  });

  it('takes hard-linked files out as files', async () => {
    const runtime = await givenRuntime();
    await writeFile(join(runtime.folder, 'one'), 'content');
    await link(join(runtime.folder, 'one'), join(runtime.folder, 'two'));
    const to = await givenRuntime();
    await to.call('PUT', '/workspace', (await runtime.call('GET', '/workspace')).bytes);
    expect(await readFile(join(to.folder, 'two'), 'utf8')).toBe('content');
    expect((await stat(join(to.folder, 'two'))).nlink).toBe(1);
  });

  it('leaves out what cannot be kept, and what the file system and the runtime put there', async () => {
    const runtime = await givenRuntime();
    await run('mkfifo', [join(runtime.folder, 'pipe')]);
    for (const folder of ['lost+found', '.sandlot-import-abc']) await mkdir(join(runtime.folder, folder));
    await writeFile(join(runtime.folder, '.sandlot-upload-1'), 'x');
    await writeFile(join(runtime.folder, 'kept'), 'x');
    const to = await givenRuntime();
    expect((await to.call('PUT', '/workspace', (await runtime.call('GET', '/workspace')).bytes)).status).toBe(200);
    await unchanged(to, ['kept']);
  });

  it('does not begin to come out when a name in it cannot be told', async () => {
    const runtime = await givenRuntime();
    await writeFile(Buffer.concat([Buffer.from(`${runtime.folder}/bad-`), Buffer.from([0xff])]), 'x');
    expect((await runtime.call('GET', '/workspace')).json).toMatchObject({ status: 400, code: 'INVALID_PATH' });
  });
});
