import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endProcesses } from './execute/processes.js';
import { call, cleanUp, givenFolder, isGone, pidsIn, waitFor } from './runtime.fixture.js';

const id = `spec-${process.pid}`;
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await endProcesses({ sessions: [], marker: `SANDLOT_EXECUTION=${id}/` }, 0);
  await cleanUp();
});

// Node strips the types itself; only the names of the imports have to be led from .js to .ts.
const resolveSources = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({ resolve: (name, context, next) => next(context.parentURL?.startsWith('file:') ? name.replace(/\\.js$/, '.ts') : name, context) });
`)}`;
const command = [process.execPath, '--import', resolveSources, fileURLToPath(new URL('./main.ts', import.meta.url))] as const;

function start(env: Record<string, string>, [program, ...args]: readonly string[] = command) {
  const child = spawn(program as string, args, {
    env: { PATH: process.env.PATH, SANDLOT_RUNTIME_ID: id, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  children.push(child);
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal, stderr }));
  return { child, exited, errors: () => stderr };
}

async function startListening(folder: string, env: Record<string, string> = {}) {
  const variables = { SANDLOT_RUNTIME_PORT: '0', SANDLOT_RUNTIME_HOST: '127.0.0.1', SANDLOT_RUNTIME_WORKDIR: folder, ...env };
  const started = start(variables);
  const [line] = await Promise.race([once(started.child.stdout, 'data'), started.exited.then(({ stderr }) => [`"${stderr}"`])]);
  return { ...started, line: String(line), port: JSON.parse(line).listening.port as number };
}

/** Starts a command with a background child and a detached daemon, and gives the pids of all. */
async function startFamily(folder: string, port: number): Promise<number[]> {
  const text = `echo $$ >> pids; setsid sh -c 'echo $$ >> pids; exec sleep 600' & (trap '' TERM; echo $BASHPID >> pids; while :; do sleep 1; done) & wait`;
  call(port, 'POST', '/execute', JSON.stringify({ command: text })).catch(() => undefined);
  return pidsIn(folder, 3);
}

describe('the runtime as a process', () => {
  it('S1-09 says where it listens, in one line, and serves there', async () => {
    const { line, port } = await startListening(await givenFolder());
    expect(line).toBe(`{"listening":{"host":"127.0.0.1","port":${port}}}\n`);
    expect((await call(port, 'POST', '/execute', '{"command":"echo hello"}')).json.stdout).toBe('hello\n');
  });

  it('keeps its own settings and the host’s secrets from commands', async () => {
    const { port } = await startListening(await givenFolder(), { AWS_SECRET_ACCESS_KEY: 'hidden', SANDLOT_RUNTIME_ENV: '{"GIVEN":"yes"}' });
    const { stdout } = (await call(port, 'POST', '/execute', '{"command":"env"}')).json;
    expect(stdout).toContain('GIVEN=yes\n');
    expect(stdout).not.toMatch(/hidden|SANDLOT_RUNTIME/);
  });

  it('ends with everything that it started when stdin ends', async () => {
    const folder = await givenFolder();
    const { child, exited, port } = await startListening(folder, { SANDLOT_RUNTIME_EXIT_WITH_STDIN: '1' });
    const pids = await startFamily(folder, port);
    child.stdin.end();
    expect(await exited).toMatchObject({ code: 0, stderr: '' });
    expect(pids.filter((pid) => !isGone(pid))).toEqual([]);
  });

  it('ends with everything that it started when its parent is killed', async () => {
    const folder = await givenFolder();
    const [program, ...args] = command;
    const parent = `
      const child = require('node:child_process').spawn(${JSON.stringify(program)}, ${JSON.stringify(args)}, { stdio: ['pipe', 'pipe', 'inherit'] });
      child.stdout.on('data', (line) => process.stdout.write(JSON.stringify({ pid: child.pid, ...JSON.parse(line) })));`;
    const { child, exited } = start(
      {
        SANDLOT_RUNTIME_EXIT_WITH_STDIN: '1',
        SANDLOT_RUNTIME_PORT: '0',
        SANDLOT_RUNTIME_HOST: '127.0.0.1',
        SANDLOT_RUNTIME_WORKDIR: folder,
      },
      [program, '-e', parent],
    );
    const [line] = await once(child.stdout, 'data');
    const { pid, listening } = JSON.parse(line);
    const pids = await startFamily(folder, listening.port);
    child.kill('SIGKILL');
    await exited;
    await waitFor(() => [pid, ...pids].every(isGone), 'the runtime and its commands gone');
  });

  it('does not mind the end of stdin when not told to', async () => {
    const { child, port } = await startListening(await givenFolder());
    child.stdin.end();
    expect((await call(port, 'GET', '/health')).status).toBe(200);
  });

  it('ends with everything that it started on SIGTERM, with exit code 0', async () => {
    const folder = await givenFolder();
    const { child, exited, port } = await startListening(folder);
    const pids = await startFamily(folder, port);
    child.kill('SIGTERM');
    expect(await exited).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(pids.filter((pid) => !isGone(pid))).toEqual([]);
  });

  it('leaves processes that can be found by its id when it is killed itself', async () => {
    const folder = await givenFolder();
    const { child, exited, port } = await startListening(folder);
    const pids = await startFamily(folder, port);
    child.kill('SIGKILL');
    await exited;
    expect(pids.filter(isGone)).toEqual([]);
    expect(await endProcesses({ sessions: [], marker: `SANDLOT_EXECUTION=${id}/` }, 100)).toBe(true);
    expect(pids.filter((pid) => !isGone(pid))).toEqual([]);
  });

  it('does not start with a wrong environment, and says what is wrong', async () => {
    const { code, stderr } = await start({ SANDLOT_RUNTIME_PORT: 'http' }).exited;
    expect(code).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ message: 'cannot start', fault: expect.stringContaining('SANDLOT_RUNTIME_PORT must be') });
  });
});
