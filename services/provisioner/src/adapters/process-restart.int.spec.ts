import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@sandlot/kernel';
import { atEnd, tempDir, waitFor } from '@sandlot/testing';
import {
  dataDirFor,
  eventually,
  execute,
  executeAt,
  found,
  givenSandbox,
  modes,
  openRuntime,
  placeOf,
  processesWith,
  startOwner,
} from './process-runtime.fixture.js';

/** What the commands of a test have in their command lines, and nobody else. */
let secondsToSleep = 100_000 + (process.pid % 10_000);
const sleeper = () => `sleep ${++secondsToSleep}`;
const alive = (command: string) => processesWith(command.replace(' ', '\0'));
/** Starts it outside of the command's session, and waits until it is there. */
async function leaveRunning(command: string, run: (text: string) => Promise<unknown>): Promise<void> {
  await run(`setsid ${command} >/dev/null 2>&1 & echo started`);
  await waitFor(() => alive(command).length === 1, { describe: `${command} runs` });
}

const recordFile = async (dataDir: string, id: string) => join(dataDir, 'sandboxes', 'user-alice', id, 'sandbox.json');
const uidOnDisk = async (dataDir: string, id: string): Promise<string> =>
  (JSON.parse(await readFile(await recordFile(dataDir, id), 'utf8')) as { uid: string }).uid;

describe.each(modes)('the process runtime after a restart (sandboxes as $mode)', (mode) => {
  it('has left no process behind when it was killed, and finds the sandboxes stopped with their files', async () => {
    const dataDir = await dataDirFor(mode);
    const owner = await startOwner(dataDir);
    const command = sleeper();
    await executeAt(owner.address, 'echo kept > file');
    await leaveRunning(command, (text) => executeAt(owner.address, text));
    const uid = await uidOnDisk(dataDir, owner.id);
    expect(processesWith(uid).length).toBeGreaterThan(0);

    await owner.kill();
    await waitFor(() => processesWith(uid).length + alive(command).length === 0, { describe: 'no process of the sandbox is left' });

    const runtime = await openRuntime(dataDir);
    expect(await found(runtime, owner.id)).toEqual({ exists: true, uid, running: false, seen: { phase: 'stopped' } });
    await runtime.apply(owner.id, { do: 'start', uid, place: placeOf() });
    await eventually(runtime, owner.id, 'running');
    expect(await execute(runtime, owner.id, 'cat file')).toMatchObject({ stdout: 'kept\n' });
  });

  it('ends commands whose server died with its owner', async () => {
    const dataDir = await dataDirFor(mode);
    const owner = await startOwner(dataDir);
    const command = sleeper();
    await leaveRunning(command, (text) => executeAt(owner.address, text));
    process.kill(owner.pid, 'SIGSTOP'); // so that it cannot clean up after the server
    for (const server of processesWith(`SANDLOT_RUNTIME_ID=${await uidOnDisk(dataDir, owner.id)}`)) process.kill(server, 'SIGKILL');
    await owner.kill();
    expect(alive(command)).toHaveLength(1);

    await openRuntime(dataDir);
    expect(alive(command)).toEqual([]);
  });

  it('ends a server that does not notice the end of its owner', async () => {
    const dataDir = await dataDirFor(mode);
    const owner = await startOwner(dataDir);
    const servers = () => processesWith(`SANDLOT_RUNTIME_ID=${uid}`);
    const uid = await uidOnDisk(dataDir, owner.id);
    for (const server of servers()) process.kill(server, 'SIGSTOP');
    await owner.kill();
    expect(servers()).toHaveLength(1);

    await openRuntime(dataDir, { graceMs: 100 });
    expect(servers()).toEqual([]);
  });

  it('leaves the processes of others alone', async () => {
    const dataDir = await dataDirFor(mode);
    const first = await openRuntime(dataDir);
    await givenSandbox(first, { running: false });
    await first.close();
    const stranger = spawn('sleep', ['600'], { env: { SANDLOT_RUNTIME_ID: 'somebody-elses' } });
    atEnd(() => stranger.kill('SIGKILL'));
    await once(stranger, 'spawn');
    await openRuntime(dataDir);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    expect(stranger.kill(0)).toBe(true);
  });
});

describe('the process runtime on what it finds on disk', () => {
  it('stops everything when it is closed, and has it all again when opened', async () => {
    const dataDir = await tempDir();
    const first = await openRuntime(dataDir);
    const running = await givenSandbox(first);
    const quota = { sandboxes: 3, cpu: '1', memory: '1Gi' };
    const namespace = await first.findNamespace('user-alice', running.place.owner);
    const concern = { concern: 'quota', quota } as const;
    const { owner } = running.place;
    await first.applyNamespace('user-alice', { do: 'apply', uid: (namespace as { uid: string }).uid, owner, concern });
    await first.close();
    expect(processesWith(running.uid)).toEqual([]);
    await expect(first.apply(running.id, { do: 'start', uid: running.uid, place: running.place })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });

    const second = await openRuntime(dataDir);
    expect(await second.list()).toEqual([running.id]);
    expect(await second.findNamespace('user-alice', owner)).toEqual(namespace);
    expect(await second.findConcern('user-alice', owner, concern)).toMatchObject({ asWanted: true });
  });

  it('is not opened while another process has it', async () => {
    const dataDir = await tempDir();
    const owner = await startOwner(dataDir);
    await expect(openRuntime(dataDir)).rejects.toThrow(`is in use by process ${owner.pid}`);
    expect((await fetch(`http://${owner.address}/health`)).status).toBe(200);
  });

  it.each([
    ['cut off', (file: string) => writeFile(file, '{"uid": "0195')],
    ['empty', (file: string) => writeFile(file, '')],
    ['of another shape', (file: string) => writeFile(file, '{"uid": 7}')],
    ['gone', (file: string) => rm(file)],
    ['a link', (file: string) => rm(file).then(() => symlink('/etc/passwd', file))],
  ])('reports a sandbox as failed whose record is %s, keeps its files, and deletes it when told to', async (_what, damage) => {
    const dataDir = await tempDir();
    const first = await openRuntime(dataDir);
    const { id } = await givenSandbox(first, { running: false });
    await first.close();
    const folder = join(dataDir, 'sandboxes', 'user-alice', id);
    await writeFile(join(folder, 'work', 'thesis.txt'), 'kept');
    await damage(join(folder, 'sandbox.json'));

    const runtime = await openRuntime(dataDir);
    const broken = await found(runtime, id);
    expect(broken).toMatchObject({ running: false, seen: { phase: 'failed', reason: 'RUNTIME_RECORD_UNREADABLE' } });
    await runtime.apply(id, { do: 'start', uid: broken.uid, place: placeOf() });
    await runtime.apply(id, { do: 'stop', uid: broken.uid });
    expect(await found(runtime, id)).toMatchObject({ running: false, seen: { phase: 'failed' } });
    expect(await readFile(join(folder, 'work', 'thesis.txt'), 'utf8')).toBe('kept');
    await runtime.apply(id, { do: 'delete', uid: broken.uid });
    expect(await runtime.find(id)).toEqual({ exists: false });
    expect(await readdir(join(dataDir, 'sandboxes', 'user-alice'))).toEqual(['namespace.json']);
  });

  it('goes on with a deletion that was interrupted, and forgets one that was all but done', async () => {
    const dataDir = await tempDir();
    const first = await openRuntime(dataDir);
    const half = await givenSandbox(first, { running: false });
    const done = await givenSandbox(first, { running: false, place: half.place });
    await first.close();
    const folderOf = (id: string) => join(dataDir, 'sandboxes', 'user-alice', id);
    await rm(join(folderOf(half.id), 'work'), { recursive: true });
    await rm(folderOf(done.id), { recursive: true });
    await mkdir(folderOf(done.id));

    const runtime = await openRuntime(dataDir);
    expect(await runtime.list()).toEqual([half.id]);
    await runtime.apply(half.id, { do: 'delete', uid: half.uid });
    expect(await readdir(join(dataDir, 'sandboxes', 'user-alice'))).toEqual(['namespace.json']);
  });

  it('removes what it had only begun to create', async () => {
    const dataDir = await tempDir();
    const root = join(dataDir, 'sandboxes');
    await mkdir(join(root, '.new-1'), { recursive: true });
    await mkdir(join(root, 'user-alice', '.new-2', 'work'), { recursive: true });
    await writeFile(join(root, 'user-alice', '.new-2', 'sandbox.json'), '{');
    const runtime = await openRuntime(dataDir);
    expect(await runtime.findNamespace('user-alice', newId('usr'))).toEqual({ exists: false });
    expect((await givenSandbox(runtime, { running: false, place: placeOf() })).id).toBeDefined();
  });
});
