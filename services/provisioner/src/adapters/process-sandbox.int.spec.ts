import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { join, relative } from 'node:path';
import { newId, type SandboxId } from '@sandlot/kernel';
import { tempDir, waitFor } from '@sandlot/testing';
import {
  dataDirFor,
  eventually,
  execute,
  found,
  givenSandbox,
  modes,
  openRuntime,
  placeOf,
  processesWith,
} from './process-runtime.fixture.js';
import { workFolder } from './process-folders.js';
import type { ProcessRuntime } from './process-runtime.js';

let secondsToSleep = 200_000 + (process.pid % 10_000);
const sleeper = () => `sleep ${++secondsToSleep}`;
const alive = (command: string) => processesWith(command.replace(' ', '\0'));
/** Starts it outside of the command's session, and waits until it is there. */
async function leaveRunning(command: string, run: (text: string) => Promise<unknown>): Promise<void> {
  await run(`setsid ${command} >/dev/null 2>&1 & echo started`);
  await waitFor(() => alive(command).length === 1, { describe: `${command} runs` });
}

describe.each(modes)('a sandbox as a process (as $mode)', (mode) => {
  let dataDir: string;
  let runtime: ProcessRuntime;
  beforeAll(async () => {
    dataDir = await dataDirFor(mode);
    runtime = await openRuntime(dataDir);
  });

  it.each(['stop', 'delete'] as const)('takes its commands with it at %s, also those that left its session', async (what) => {
    const { id, uid } = await givenSandbox(runtime, { place: placeOf(`user-${what}`) });
    const command = sleeper();
    await leaveRunning(command, (text) => execute(runtime, id, text));
    await runtime.apply(id, { do: what, uid });
    expect(alive(command)).toEqual([]);
    expect(processesWith(uid)).toEqual([]);
  });

  it('takes its commands with it when it crashes', async () => {
    const { id } = await givenSandbox(runtime, { place: placeOf('crashing') });
    const command = sleeper();
    await leaveRunning(command, (text) => execute(runtime, id, text));
    await execute(runtime, id, 'kill -9 $PPID').catch(() => undefined);
    const { seen } = await eventually(runtime, id, 'failed');
    expect(seen).toMatchObject({ reason: 'RUNTIME_CRASHED', message: 'the runtime was ended by SIGKILL without being asked to' });
    expect(alive(command)).toEqual([]);
  });

  it('gets of the platform’s environment only what it is given', async () => {
    process.env.SANDLOT_MASTER_KEY = 'very-secret';
    const { id, uid } = await givenSandbox(runtime, { place: placeOf('environment') });
    delete process.env.SANDLOT_MASTER_KEY;
    expect((await execute(runtime, id, 'env')).stdout).not.toMatch(/SANDLOT_(?!EXECUTION)|very-secret/);
    expect((await execute(runtime, id, 'echo $LANG')).stdout).toBe('C.UTF-8\n');
    const [server] = processesWith(`SANDLOT_RUNTIME_ID=${uid}`);
    expect(await readFile(`/proc/${server}/environ`, 'latin1')).not.toMatch(/very-secret|MASTER_KEY/);
  });

  it('gives its commands the environment that was asked for, and keeps it out of the server’s own', async () => {
    const place = placeOf('own-environment');
    const env = { GREETING: "it's me", NODE_OPTIONS: '--no-such-option', PATH: '/usr/bin:/bin:/mine' };
    const { id } = await givenSandbox(runtime, { place: { ...place, spec: { ...place.spec, env } } });
    const { stdout } = await execute(runtime, id, 'echo "$GREETING $NODE_OPTIONS $PATH"');
    expect(stdout).toBe("it's me --no-such-option /usr/bin:/bin:/mine\n");
  });

  it('is limited', async () => {
    const { id, uid } = await givenSandbox(runtime, { place: placeOf('limits') });
    const { stdout } = await execute(runtime, id, 'ulimit -n; ulimit -c; ulimit -u; id -u');
    const [openFiles, cores, processes, user] = stdout.trim().split('\n');
    expect([openFiles, cores]).toEqual(['4096', '0']);
    const [server] = processesWith(`SANDLOT_RUNTIME_ID=${uid}`);
    expect(getPriority(server)).toBeGreaterThanOrEqual(5);
    if (!mode.accounts) expect(Number(user)).toBe(process.getuid?.());
    else {
      expect(processes).toBe('256');
      expect(Number(user)).toBeGreaterThanOrEqual(2_000_000);
    }
  });

  it('is deleted with folders that forbid to be read, with deep ones, and not with what links lead to', async () => {
    const place = placeOf('odd-files');
    const { id, uid } = await givenSandbox(runtime, { place });
    const outside = await tempDir();
    await writeFile(join(outside, 'keep.txt'), 'keep');
    await execute(
      runtime,
      id,
      `ln -s ${outside} link; mkdir -p shut/inner; touch shut/inner/file; chmod 500 shut/inner; chmod 000 shut; for i in $(seq 60); do n=$(printf 'd%.0s' $(seq 100)); mkdir $n; cd $n; done`,
    );
    await runtime.apply(id, { do: 'delete', uid });
    expect(await readdir(join(dataDir, 'sandboxes', place.namespace))).toEqual(['namespace.json']);
    expect(await readFile(join(outside, 'keep.txt'), 'utf8')).toBe('keep');
  });
});

describe('sandboxes as processes', () => {
  it('cannot read each other’s files when they have users of their own', async () => {
    if (!modes.some(({ accounts }) => accounts)) return;
    const dataDir = await tempDir();
    const runtime = await openRuntime(dataDir);
    const one = await givenSandbox(runtime);
    const other = await givenSandbox(runtime, { place: placeOf('bob') });
    await execute(runtime, one.id, 'echo mine > file');
    const path = join(dataDir, 'sandboxes', 'user-alice', one.id);
    const { stdout } = await execute(
      runtime,
      other.id,
      `for path in ${join(workFolder(path), 'file')} ${path}/sandbox.json ${dataDir}/sandboxes ${dataDir}/sandboxes/user-alice; do ls $path/ || cat $path; done 2>/dev/null`,
    );
    expect(stdout).toBe('');
    expect(await execute(runtime, one.id, 'cat file')).toMatchObject({ stdout: 'mine\n' });
  });

  it('say that they isolate nothing, once, and which limits hold', async () => {
    const lines: [object, string][] = [];
    const log = { info: () => undefined, warn: (fields: object, message: string) => void lines.push([fields, message]) };
    const runtime = await openRuntime(await tempDir(), { log });
    await givenSandbox(runtime);
    expect(lines).toEqual([
      [expect.objectContaining({ holds: expect.arrayContaining(['4096 open files']) }), expect.stringContaining('isolates nothing')],
    ]);
  });

  it('work in their own folders when the data folder is given relative to ours', async () => {
    const dataDir = await tempDir();
    const runtime = await openRuntime(relative(process.cwd(), dataDir));
    const { id } = await givenSandbox(runtime);
    expect((await execute(runtime, id, 'pwd')).stdout).toBe(`${dataDir}/sandboxes/user-alice/${id}/work\n`);
  });

  it('fail with a reason when the program cannot run, without what it printed', async () => {
    const folder = await tempDir();
    const main = join(folder, 'main.mjs');
    await writeFile(main, 'console.error("a secret"); process.exit(3)');
    await chmod(main, 0o644);
    const runtime = await openRuntime(await tempDir(), { program: [main], backoff: { firstMs: 60_000 } });
    const { id } = await givenPlace(runtime);
    const { seen, startableAt = 0 } = await eventually(runtime, id, 'failed');
    expect(seen).toEqual({
      phase: 'failed',
      reason: 'RUNTIME_CRASHED',
      message: 'the runtime exited with code 3 without being asked to',
    });
    expect(startableAt - Date.now()).toBeGreaterThan(30_000);
  });

  it('fail with a reason when the program does not answer in time, and are gone then', async () => {
    const main = join(await tempDir(), 'main.mjs');
    await writeFile(main, 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)');
    const runtime = await openRuntime(await tempDir(), { program: [main], startWithinMs: 300, graceMs: 100 });
    const { id, uid } = await givenPlace(runtime);
    expect((await eventually(runtime, id, 'failed')).seen).toMatchObject({ reason: 'RUNTIME_START_TIMED_OUT' });
    expect(processesWith(uid)).toEqual([]);
  });

  it('start a few at a time, and the others after them', async () => {
    const counting = join(await tempDir(), 'main.mjs');
    const started = await tempDir();
    await chmod(started, 0o777);
    // Tells that it was started, and serves only when a file says so.
    await writeFile(
      counting,
      `import { createServer } from 'node:http'; import { existsSync, writeFileSync } from 'node:fs';
       process.stdin.on('end', () => process.exit()).resume();
       writeFileSync('${started}/' + process.pid, '');
       const server = createServer((_, response) => response.end());
       const look = setInterval(() => { if (!existsSync('${started}/go')) return; clearInterval(look);
         server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ listening: { port: server.address().port } }))); }, 10);`,
    );
    const runtime = await openRuntime(await tempDir(), { program: [counting], startsAtOnce: 2 });
    const place = placeOf();
    const sandboxes = await Promise.all([1, 2, 3].map(() => givenPlace(runtime, place)));
    await waitFor(async () => (await readdir(started)).length === 2, { describe: 'two have started' });
    for (const { id } of sandboxes) expect(await found(runtime, id)).toMatchObject({ running: true, seen: { phase: 'pending' } });
    expect(await readdir(started)).toHaveLength(2);
    await writeFile(join(started, 'go'), '');
    for (const { id } of sandboxes) await eventually(runtime, id, 'running');
  });

  it('are refused under names that would lead out of the folder', async () => {
    const dataDir = await tempDir();
    const runtime = await openRuntime(dataDir);
    const owner = newId('usr');
    for (const name of ['..', '../x', '', 'a/b', '.new-x', '/etc'])
      await expect(runtime.applyNamespace(name, { do: 'create', owner, username: 'x' })).rejects.toMatchObject({
        code: 'VALIDATION_FAILED',
      });
    const place = placeOf();
    await runtime.applyNamespace(place.namespace, { do: 'create', owner: place.owner, username: place.username });
    const create = runtime.apply('../../sbx' as SandboxId, { do: 'create', place, running: false });
    await expect(create).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it('do not follow a namespace that is a link', async () => {
    const dataDir = await tempDir();
    const elsewhere = await tempDir();
    const runtime = await openRuntime(dataDir);
    await mkdir(join(elsewhere, 'folder'));
    await symlink(elsewhere, join(dataDir, 'sandboxes', 'user-alice'));
    expect(await runtime.findNamespace('user-alice', newId('usr'))).toMatchObject({ exists: true, ours: false });
  });
});

/** Like `givenSandbox`, but without waiting for it to run. */
async function givenPlace(runtime: ProcessRuntime, place = placeOf()) {
  const id = newId('sbx');
  await runtime.applyNamespace(place.namespace, { do: 'create', owner: place.owner, username: place.username });
  await runtime.apply(id, { do: 'create', place, running: true });
  return { id, uid: (await found(runtime, id)).uid };
}
