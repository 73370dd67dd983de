import type { BackupStore } from './store.js';

/** What every place for backups promises. */
export function testBackupStore(make: () => Promise<BackupStore>): void {
  let store: BackupStore;
  beforeAll(async () => {
    store = await make();
  });

  it('gives back what was put, byte for byte, and the newer of two', async () => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 256));
    await store.put('one/DOMAIN/00001', Buffer.from('older'));
    await store.put('one/DOMAIN/00001', bytes);
    expect(Buffer.from((await store.get('one/DOMAIN/00001'))!).equals(bytes)).toBe(true);
  });

  it('has nothing of a name that was never put', async () => {
    expect(await store.get('one/DOMAIN/99999')).toBeUndefined();
    await store.remove('one/DOMAIN/99999');
  });

  it('lists names that begin so, sorted, and not what was removed', async () => {
    for (const name of ['two/b', 'two/a', 'two/c & d', 'twofold/a']) await store.put(name, Buffer.from(name));
    await store.remove('two/b');
    expect(await store.list('two/')).toEqual(['two/a', 'two/c & d']);
    expect(await store.list('three/')).toEqual([]);
  });
}
