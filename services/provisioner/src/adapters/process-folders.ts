import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, chown, lstat, mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { DomainError, isId, type SandboxId, type UserId } from '@sandlot/kernel';
import { Quota, SandboxSpec, UserIdSchema } from '@sandlot/contracts';
import type { SandboxPlace } from '../ports.js';

/*
 * What the process runtime keeps on disk:
 *
 *   <root>/<namespace>/namespace.json                owner and quota
 *   <root>/<namespace>/<sandbox id>/sandbox.json     what it is; written once
 *                                  /work             the sandbox's own files, a folder
 *                                  /runtime.log      what its server complained about
 *
 * A folder appears whole, by a rename, and its .json goes last: after a kill -9 or a power cut at any point it is there, or being deleted,
 * or gone. Nothing here says whether a sandbox runs or should: the first is seen, the second is in the log.
 */

const SandboxRecord = z.object({
  uid: z.uuid(),
  owner: UserIdSchema,
  username: z.string(),
  namespace: z.string(),
  name: z.string(),
  spec: SandboxSpec,
  account: z.int().positive().optional().describe("the sandbox's own user on this machine, where it has one"),
});
export type SandboxRecord = z.infer<typeof SandboxRecord>;

const NamespaceRecord = z.object({ uid: z.uuid(), owner: UserIdSchema, username: z.string(), quota: Quota.optional() });
export type NamespaceRecord = z.infer<typeof NamespaceRecord>;

export interface SandboxFolder {
  sandboxId: SandboxId;
  path: string;
  namespace: string;
  /** `undefined` when it is missing or cannot be read. */
  record: SandboxRecord | undefined;
}

/** In names of folders that are not whole yet. No namespace and no sandbox has a name like that. */
const unfinished = '.new-';
const sandboxFile = 'sandbox.json';
const namespaceFile = 'namespace.json';
/** Others may pass through, to reach the work folder that is theirs, but not look around. */
const passable = 0o711;

export class SandboxFolders {
  constructor(private readonly root: string) {}

  /** Removes what a killed process of ours had only begun to make. */
  async prepare(): Promise<void> {
    await chmod(this.root, passable);
    await removeUnfinished(this.root);
    for (const namespace of await foldersIn(this.root)) await removeUnfinished(join(this.root, namespace));
  }

  async sandboxes(): Promise<SandboxFolder[]> {
    const found: SandboxFolder[] = [];
    for (const namespace of await foldersIn(this.root))
      for (const name of await foldersIn(join(this.root, namespace))) {
        const path = join(this.root, namespace, name);
        if (!isId('sbx', name) || (await removedWhenEmpty(path))) continue;
        const record = parse(SandboxRecord, await textOf(join(path, sandboxFile)).catch(() => undefined));
        found.push({ sandboxId: name, path, namespace, record: record?.namespace === namespace ? record : undefined });
      }
    return found;
  }

  /** `undefined` when there is none; `foreign` when something is there that Sandlot did not make, or that cannot be read. */
  async namespace(name: string): Promise<NamespaceRecord | 'foreign' | undefined> {
    const path = this.pathOf(name);
    try {
      const record = parse(NamespaceRecord, await textOf(join(path, namespaceFile)));
      if (record) return record;
      const entries = await readdir(path).catch(missingIs([]));
      if (entries.length === 0) return undefined;
      // It may have appeared, whole, after its record was looked for.
      return parse(NamespaceRecord, await textOf(join(path, namespaceFile))) ?? 'foreign';
    } catch (error) {
      if (isForbidden(error)) return 'foreign';
      throw error;
    }
  }

  /** Does nothing when something of that name is there already. */
  async createNamespace(name: string, owner: UserId, username: string): Promise<void> {
    if (await this.namespace(name)) return;
    const record: NamespaceRecord = { uid: randomUUID(), owner, username };
    await makeWhole(this.pathOf(name), (path) => writeDurably(join(path, namespaceFile), record));
  }

  async writeNamespace(name: string, record: NamespaceRecord): Promise<void> {
    await writeDurably(join(this.pathOf(name), namespaceFile), record);
  }

  /** Refuses while anything is in it: deleting a user takes the sandboxes down one by one. */
  async removeNamespace(name: string): Promise<void> {
    const path = this.pathOf(name);
    const others = (await readdir(path)).filter((entry) => entry !== namespaceFile && entry !== `${namespaceFile}${temporary}`);
    if (others.length > 0) throw new DomainError('CONFLICT', `the namespace ${name} is not empty`);
    for (const file of [`${namespaceFile}${temporary}`, namespaceFile]) await rm(join(path, file), { force: true });
    await rmdir(path);
    await syncFolder(this.root);
  }

  async createSandbox(sandboxId: SandboxId, place: SandboxPlace, account: number | undefined): Promise<SandboxFolder> {
    const { owner, username, namespace, name, spec } = place;
    const record: SandboxRecord = { uid: randomUUID(), owner, username, namespace, name, spec, ...(account !== undefined && { account }) };
    if (!isId('sbx', sandboxId)) throw new DomainError('VALIDATION_FAILED', 'not an id of a sandbox'); // it becomes a path
    const path = join(this.pathOf(namespace), sandboxId);
    await makeWhole(path, async (folder) => {
      await mkdir(workFolder(folder), { mode: 0o700 });
      if (account !== undefined) await chown(workFolder(folder), account, account);
      await writeDurably(join(folder, sandboxFile), record);
    });
    return { sandboxId, path, namespace, record };
  }

  /** May be repeated, and goes on where it was interrupted. Links in it are removed, never followed. */
  async removeSandbox({ path }: Pick<SandboxFolder, 'path'>): Promise<void> {
    const entries = await readdir(path).catch(missingIs([]));
    for (const entry of entries.filter((name) => name !== sandboxFile)) await removeTree(join(path, entry));
    await rm(join(path, sandboxFile), { force: true });
    await rmdir(path).catch(missingIs(undefined));
    await syncFolder(dirname(path)).catch(missingIs(undefined));
  }

  private pathOf(namespace: string): string {
    // A path is made of it: checked here too, wherever it came from.
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(namespace)) throw new DomainError('VALIDATION_FAILED', 'not a name of a namespace');
    return join(this.root, namespace);
  }
}

export const workFolder = (path: string): string => join(path, 'work');
export const logFile = (path: string): string => join(path, 'runtime.log');

async function makeWhole(path: string, fill: (path: string) => Promise<void>): Promise<void> {
  const making = join(dirname(path), `${unfinished}${randomUUID()}`);
  try {
    await mkdir(making);
    await chmod(making, passable);
    await fill(making);
    await rename(making, path);
  } catch (error) {
    await removeTree(making).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

const temporary = '.new';

async function writeDurably(path: string, content: object): Promise<void> {
  const file = await open(`${path}${temporary}`, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(content, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}${temporary}`, path);
  await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function removeUnfinished(path: string): Promise<void> {
  for (const name of await foldersIn(path)) if (name.startsWith(unfinished)) await removeTree(join(path, name));
}

async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
  } catch {
    // Folders that forbid their owner to look inside, or so deep that their path is too long for a single call.
    await promisify(execFile)('chmod', ['-R', 'u+rwX', '--', path]).catch(() => undefined);
    await promisify(execFile)('rm', ['-rf', '--', path]);
  }
}

/** Left by a deletion that was interrupted at its last step. */
async function removedWhenEmpty(path: string): Promise<boolean> {
  if ((await readdir(path)).length > 0) return false;
  await rmdir(path);
  return true;
}

/** What we may not look into is not ours. */
async function foldersIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    if (isForbidden(error)) return [];
    throw error;
  });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** `undefined` when it is not there; throws when it cannot be told. */
async function textOf(path: string): Promise<string | undefined> {
  if (!(await lstat(path).catch(missingIs(undefined)))?.isFile()) return undefined;
  return readFile(path, 'utf8');
}

function parse<Schema extends z.ZodType>(schema: Schema, text: string | undefined): z.infer<Schema> | undefined {
  try {
    return schema.parse(JSON.parse(text ?? ''));
  } catch {
    return undefined;
  }
}

function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function missingIs<Value>(value: Value): (error: NodeJS.ErrnoException) => Value {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return value;
    throw error;
  };
}
