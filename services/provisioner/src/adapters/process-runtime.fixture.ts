import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { newId, type SandboxId } from '@sandlot/kernel';
import { atEnd, tempDir, waitFor } from '@sandlot/testing';
import type { Found, SandboxPlace } from '../ports.js';
import { ProcessRuntime, type ProcessRuntimeOptions } from './process-runtime.js';

/** For specs: process runtimes from the sources, in this process and in one that can be killed. */

// Node compiles the types away; only the names have to be led to the sources: x.js to x.ts, and the packages to their src.
const repository = new URL('../../../../', import.meta.url).href;
const resolveSources = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  const source = (name) => name === '@sandlot/runtime' ? '${repository}runtime/src/index.ts'
    : name.startsWith('@sandlot/') ? '${repository}libs/' + name.slice(9) + '/src/index.ts' : name.replace(/\\.js$/, '.ts');
  registerHooks({ resolve: (name, context, next) =>
    next(!context.parentURL?.includes('/node_modules/') && /^(@sandlot\\/|\\.)/.test(name) ? source(name) : name, context) });
`)}`;
const fromSources = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning', '--import', resolveSources];
export const program = [...fromSources, fileURLToPath(`${repository}runtime/src/main.ts`)];

export async function openRuntime(dataDir: string, options: Partial<ProcessRuntimeOptions> = {}): Promise<ProcessRuntime> {
  const runtime = await ProcessRuntime.open({ dataDir, program, environment: { LANG: 'C.UTF-8' }, backoff: { firstMs: 200 }, ...options });
  atEnd(() => runtime.close());
  return runtime;
}

const asRoot = process.getuid?.() === 0;

/** Who sandboxes run as: users of their own need root, and a folder that these can reach. */
export const modes = [
  ...(asRoot ? [{ mode: 'users of their own', accounts: true }] : []),
  { mode: asRoot ? 'root' : 'our own user', accounts: false },
];

export async function dataDirFor({ accounts }: { accounts: boolean }): Promise<string> {
  const dataDir = await tempDir();
  if (!accounts) await chmod(dataDir, 0o700);
  return dataDir;
}

export type Existing = Extract<Found, { exists: true }>;

export async function found(runtime: ProcessRuntime, id: SandboxId): Promise<Existing> {
  const seen = await runtime.find(id);
  if (!seen.exists) throw new Error('there is no sandbox');
  return seen;
}

export const eventually = (runtime: ProcessRuntime, id: SandboxId, phase: Existing['seen']['phase']) =>
  waitFor(
    () => found(runtime, id),
    { describe: `the sandbox is ${phase}`, within: 20_000 },
    ({ seen }) => seen.phase === phase,
  );

export const placeOf = (username = 'alice'): SandboxPlace => ({
  owner: newId('usr'),
  username,
  namespace: `user-${username}`,
  name: 's1',
  spec: { image: 'runtime:1', ports: [{ port: 8888 }] },
});

/** A namespace with one sandbox in it, which runs unless told otherwise. */
export async function givenSandbox(runtime: ProcessRuntime, { running = true, place = placeOf() } = {}) {
  const id = newId('sbx');
  await runtime.applyNamespace(place.namespace, { do: 'create', owner: place.owner, username: place.username });
  await runtime.apply(id, { do: 'create', place, running });
  const { uid } = await eventually(runtime, id, running ? 'running' : 'stopped');
  return { id, uid, place };
}

export async function execute(runtime: ProcessRuntime, id: SandboxId, command: string): Promise<{ stdout: string }> {
  const { seen } = await found(runtime, id);
  if (seen.phase !== 'running') throw new Error(`it is ${seen.phase}`);
  return executeAt(seen.addresses[0]?.address as string, command);
}

export async function executeAt(address: string, command: string): Promise<{ stdout: string }> {
  const response = await fetch(`http://${address}/execute`, { method: 'POST', body: JSON.stringify({ command }) });
  return (await response.json()) as { stdout: string };
}

/** A process of its own with a process runtime and one running sandbox, to be killed. */
export async function startOwner(dataDir: string) {
  const id = newId('sbx');
  const place = placeOf();
  const script = `
    const { ProcessRuntime } = await import(${JSON.stringify(new URL('./process-runtime.ts', import.meta.url).href)});
    const runtime = await ProcessRuntime.open(${JSON.stringify({ dataDir, program })});
    const id = ${JSON.stringify(id)}, place = ${JSON.stringify(place)};
    await runtime.applyNamespace(place.namespace, { do: 'create', owner: place.owner, username: place.username });
    const tell = async () => {
      const { seen } = await runtime.find(id);
      if (seen.phase === 'running') console.log(seen.addresses[0].address);
    };
    runtime.watch(tell);
    await runtime.apply(id, { do: 'create', place, running: true });
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, [...fromSources, '--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { SANDLOT_MASTER_KEY: 'hidden' },
  });
  atEnd(() => owner.kill('SIGKILL'));
  const [address] = (await Promise.race([
    once(createInterface(owner.stdout), 'line'),
    once(owner, 'exit').then(() => Promise.reject(new Error('the owner ended early'))),
  ])) as [string];
  return {
    id,
    place,
    address,
    pid: owner.pid as number,
    async kill() {
      owner.kill('SIGKILL');
      await once(owner, 'exit');
    },
  };
}

/** Living processes whose environment or command line mentions the text. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => `${read(name, 'environ')}\0${read(name, 'cmdline')}`.includes(text) && !/\) [ZX] /.test(read(name, 'stat')))
    .map(Number);
}

const read = (pid: string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
};
