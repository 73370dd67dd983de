import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { goSources, type Part, type Recipe } from './parts.js';

export interface BuildOptions {
  /** Gets the lines for whoever waits. */
  log: (line: string) => void;
  env: NodeJS.ProcessEnv;
}

const PROGRESS_EVERY_MS = 30_000;

/** Builds a part's programs into a folder, with a line at the begin, each half minute, and at the end. */
export async function build(part: Part, folder: string, { log, env }: BuildOptions): Promise<void> {
  const title = `${part.name} ${part.version}`;
  const begin = performance.now();
  const elapsed = () => `${Math.round((performance.now() - begin) / 1000)} s`;
  log(`building ${title} from Go modules (${part.takes}, once) ...`);
  const progress = setInterval(() => log(`building ${title}: ${elapsed()} ...`), PROGRESS_EVERY_MS);
  const work = await mkdtemp(join(tmpdir(), 'sandlot-testbed-build-'));
  try {
    await mkdir(join(work, 'made'));
    await make(part, part.recipe, work, env);
    await moveInto(folder, part, work);
  } catch (cause) {
    throw new Error(`${title} could not be built: ${(cause as Error).message}`, { cause });
  } finally {
    clearInterval(progress);
    await rm(work, { recursive: true, force: true });
  }
  log(`built ${title} in ${elapsed()}`);
}

async function make(part: Part, recipe: Recipe, work: string, env: NodeJS.ProcessEnv): Promise<void> {
  const made = join(work, 'made');
  if (recipe.kind === 'install') {
    const packages = recipe.packages.map((path) => `${path}@v${part.version}`);
    const tags = recipe.tags ? [`-tags=${recipe.tags}`] : [];
    const flags = ['-trimpath', `-ldflags=-s -w ${recipe.linkerFlags ?? ''}`.trim()];
    await go(['install', ...flags, ...tags, ...packages], work, { ...env, GOBIN: made });
    return;
  }
  const output = join(made, part.programs[0] as string);
  if (recipe.kind === 'package') {
    const { module, program, files } = recipe;
    const folder = await moduleFolder(module, part, work, env);
    await writeFile(join(work, 'go.mod'), `module testbed/${part.name}\n\ngo 1.26\n\nrequire ${module} v${part.version}\n`);
    await go(['build', '-trimpath', '-ldflags=-s -w', '-o', output, `${module}/${program}`], work, env);
    for (const file of files) await copyFile(join(folder, file), join(made, basename(file)));
    return;
  }
  await copyFile(join(goSources, recipe.source, 'main.go'), join(work, 'main.go'));
  await writeFile(join(work, 'go.mod'), await goMod(part, recipe, work, env));
  const flags = ['-trimpath', `-ldflags=-s -w ${recipe.linkerFlags ?? ''}`.trim()];
  await go(['build', ...flags, '-o', output, '.'], work, env);
}

async function goMod(part: Part, recipe: Recipe & { kind: 'program' }, work: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { module, staging } = recipe;
  const lines = [`module testbed/${recipe.source}`, 'go 1.26'];
  if (module) lines.push(`require ${module} v${part.version}`);
  if (module && staging) {
    const text = await readFile(join(await moduleFolder(module, part, work, env), 'go.mod'), 'utf8');
    for (const [, name] of text.matchAll(/^\s*(?:replace )?(\S+) => \.\/staging/gm)) lines.push(`replace ${name} => ${name} ${staging}`);
  }
  return `${lines.join('\n\n')}\n`;
}

async function moduleFolder(module: string, { version }: Part, work: string, env: NodeJS.ProcessEnv): Promise<string> {
  const answer = await go(['mod', 'download', '-json', `${module}@v${version}`], work, env);
  return (JSON.parse(answer) as { Dir: string }).Dir;
}

/** In one step, so that nobody finds half of it; across file systems by a copy beside the place. */
async function moveInto(folder: string, part: Part, work: string): Promise<void> {
  const beside = await mkdtemp(`${folder}.new-`);
  try {
    for (const file of await readdir(join(work, 'made'))) await copyFile(join(work, 'made', file), join(beside, file));
    await chmod(beside, 0o755);
    await rm(folder, { recursive: true, force: true });
    await rename(beside, folder);
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
}

/**
 * With -mod=mod, which adds to go.mod what a program imports, at the versions that the required module was released with.
 * Answers what go printed to stdout; a failure becomes an error with the last lines that it said.
 */
async function go(args: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn('go', args, {
    cwd,
    env: { ...env, CGO_ENABLED: '0', GO111MODULE: 'on', GOWORK: 'off', GOFLAGS: '-buildvcs=false -mod=mod' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr = (stderr + chunk).slice(-4000)));
  const [code] = (await once(child, 'close').catch((error: NodeJS.ErrnoException) => Promise.reject(notStarted(error)))) as [number | null];
  if (code !== 0) throw new Error(`go ${args[0]} failed:\n${stderr.trim().split('\n').slice(-8).join('\n')}`);
  return stdout;
}

function notStarted(error: NodeJS.ErrnoException): Error {
  if (error.code !== 'ENOENT') return error;
  return new Error('Go is missing. Install Go 1.24 or newer (https://go.dev/doc/install), put it on the PATH, and try again');
}
