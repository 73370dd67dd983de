import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '@sandlot/testing';
import { isOursAlone, loadMasterKeys, masterKey } from './master-key.js';

describe('the file of the master key', () => {
  let file: string;
  beforeEach(async () => (file = join(await tempDir(), 'master.key')));

  it('is made once, for its owner only, when it may be', async () => {
    await expect(loadMasterKeys(file)).rejects.toThrow(`cannot read the master key from ${file}: ENOENT`);
    const made = await Promise.all([loadMasterKeys(file, { create: true }), loadMasterKeys(file, { create: true }).catch(() => undefined)]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const keys = await loadMasterKeys(file, { create: true });
    expect(keys).toEqual(made[0] ?? made[1]);
    expect(keys).toEqual([masterKey(keys[0]!.key)]);
    expect(keys[0]!.key).toHaveLength(32);
  });

  it.each([0o640, 0o604, 0o660, 0o644])('is refused with mode %o', async (mode) => {
    await loadMasterKeys(file, { create: true });
    await chmod(file, mode);
    await expect(loadMasterKeys(file, { create: true })).rejects.toThrow('may be read by others');
  });

  it.each([
    ['our own, for us alone', { uid: 1000, gid: 1000, mode: 0o100600 }, true],
    ['of a Secret that Kubernetes has mounted for our group', { uid: 0, gid: 2000, mode: 0o100440 }, true],
    ['of a Secret that is mounted for another group', { uid: 0, gid: 3000, mode: 0o100440 }, false],
    ['of a Secret that is mounted for everybody', { uid: 0, gid: 2000, mode: 0o100444 }, false],
    ['of a projected volume, as the kubelet leaves it', { uid: 0, gid: 2000, mode: 0o100660 }, true],
    ['that our group may run', { uid: 0, gid: 2000, mode: 0o100450 }, false],
    ['our own, for our group too', { uid: 1000, gid: 2000, mode: 0o100640 }, false],
    ["somebody else's, for our group too", { uid: 1001, gid: 2000, mode: 0o100640 }, false],
  ])('that is %s: trusted or not', (_, stat, trusted) => {
    expect(isOursAlone(stat, { uid: 1000, groups: [1000, 2000] })).toBe(trusted);
  });

  it('is no exception for root, who can always close it', () => {
    expect(isOursAlone({ uid: 0, gid: 0, mode: 0o100640 }, { uid: 0, groups: [0] })).toBe(false);
  });

  it('holds several keys, the newest first', async () => {
    const [older, newer] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    await writeFile(file, `${newer.toString('base64url')}\n\n${older.toString('base64url')}\n`, { mode: 0o600 });
    expect(await loadMasterKeys(file)).toEqual([masterKey(newer), masterKey(older)]);
  });

  it.each(['', 'secret\n', `${'A'.repeat(42)}\n`])('is refused with the content %j, which the error does not repeat', async (content) => {
    await writeFile(file, content, { mode: 0o600 });
    const refusal = await loadMasterKeys(file).catch((error: Error) => error.message);
    expect(refusal).toMatch(/holds no master key|is not base64url of 32 bytes/);
    expect(refusal).not.toContain(content.trim() || 'nothing');
    expect(await readFile(file, 'utf8')).toBe(content);
  });

  it('gives an id that names the key without telling it', () => {
    const { id, key } = masterKey(Buffer.alloc(32, 7));
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(id).not.toBe(masterKey(Buffer.alloc(32, 8)).id);
    expect(key.toString('hex')).not.toContain(id);
    expect(() => masterKey(Buffer.alloc(16))).toThrow('32 bytes');
  });
});
