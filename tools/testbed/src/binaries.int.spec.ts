import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { itUnless, tempDir } from '@sandlot/testing';
import { controlPlaneBinaries, nodeBinaries } from './binaries.js';
import { controlPlaneParts, folderOf, nodeParts, type Part } from './parts.js';

/** A cache that has these parts, as far as anybody looks. */
async function cacheWith(parts: readonly Part[]): Promise<string> {
  const home = await tempDir();
  for (const part of parts)
    for (const program of part.programs) await executable(join(home, 'sandlot', 'testbed', folderOf(part), program));
  return home;
}

async function executable(file: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, '');
  await chmod(file, 0o755);
  return file;
}

const [kubernetes, etcd] = controlPlaneParts;
const [containerd, cni, pause] = nodeParts;

describe('the programs of a cluster', () => {
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  beforeEach(() => void lines.splice(0));

  it('come from the cache, without a word', async () => {
    const env = { XDG_CACHE_HOME: await cacheWith([kubernetes, etcd]) };
    const { kube, apiServer } = await controlPlaneBinaries({ env, log });
    expect(apiServer).toEqual([kube, 'apiserver']);
    expect(lines).toEqual([]);
  });

  it('come from KUBEBUILDER_ASSETS as far as they are there', async () => {
    const assets = await tempDir();
    const env = { XDG_CACHE_HOME: await cacheWith([kubernetes]), KUBEBUILDER_ASSETS: assets };
    await executable(join(assets, 'etcd'));
    await expect(controlPlaneBinaries({ env, log })).rejects.toThrow('has no kube-apiserver that can be run; correct it, or unset it');
    await executable(join(assets, 'kube-apiserver'));
    expect(await controlPlaneBinaries({ env, log })).toMatchObject({
      etcd: join(assets, 'etcd'),
      apiServer: [join(assets, 'kube-apiserver')],
    });
  });

  it('are missing with the advice to install Go', async () => {
    const env = { XDG_CACHE_HOME: await tempDir(), PATH: await tempDir() };
    await expect(controlPlaneBinaries({ env, log })).rejects.toThrow('kubernetes 1.36.3 could not be built: Go is missing. Install Go');
  });

  itUnless(hasGo() ? undefined : 'Go is not installed')(
    'are built once when several ask at the same time',
    async () => {
      const cache = await cacheWith([containerd, cni]);
      const env = { ...process.env, XDG_CACHE_HOME: cache };
      const [one, other] = await Promise.all([nodeBinaries({ env, log }), nodeBinaries({ env, log })]);
      expect(one.pause).toBe(other.pause);
      expect(lines.filter((line) => line.startsWith('built pause 1 in'))).toHaveLength(1);
      expect(lines.filter((line) => line.startsWith('waiting for process'))).toHaveLength(1);
      const made = await readdir(join(cache, 'sandlot', 'testbed'));
      expect(made.sort()).toEqual([containerd, cni, pause].map(folderOf).sort()); // no lock, nothing half made
    },
    120_000,
  );
});

function hasGo(): boolean {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
