import type { Table } from './kv-table.js';

export interface Fruit {
  fruit: string;
}

/** What every table does. `other` is a second client of the same one. */
export function testTable(name: string, factory: () => Promise<{ table: Table<Fruit>; other: Table<Fruit> }>): void {
  describe(`a table in ${name}`, () => {
    let table: Table<Fruit>;
    let other: Table<Fruit>;
    let key: string;
    let count = 0;
    const record = (fruit = `apple ${(count += 1)}`): Fruit => ({ fruit });
    const revisionOf = async (): Promise<number> => (await table.find(key))?.revision as number;
    const conflict = expect.objectContaining({ code: 'CONFLICT' });

    beforeAll(async () => ({ table, other } = await factory()));
    beforeEach(() => {
      key = `basket.${(count += 1)}`;
    });

    it('finds nothing where nothing was put', async () => {
      expect(await table.find(key)).toBeUndefined();
    });

    it('finds what was put, and so do others', async () => {
      const put = record();
      await table.put(key, put, undefined);
      expect(await table.find(key)).toEqual({ value: put, revision: expect.any(Number) });
      expect(await other.find(key)).toEqual(await table.find(key));
    });

    it('replaces a record whose revision is known', async () => {
      await table.put(key, record(), undefined);
      const next = record('pear');
      await table.put(key, next, await revisionOf());
      expect((await table.find(key))?.value).toEqual(next);
    });

    it('refuses to create what exists already', async () => {
      const first = record();
      await table.put(key, first, undefined);
      await expect(other.put(key, record(), undefined)).rejects.toEqual(conflict);
      expect((await table.find(key))?.value).toEqual(first);
    });

    it('refuses to replace or remove what somebody else has changed', async () => {
      await table.put(key, record(), undefined);
      const seen = await revisionOf();
      const theirs = record('pear');
      await other.put(key, theirs, seen);
      await expect(table.put(key, record(), seen)).rejects.toEqual(conflict);
      await expect(table.remove(key, seen)).rejects.toEqual(conflict);
      expect((await table.find(key))?.value).toEqual(theirs);
    });

    it('refuses to replace what somebody else has removed', async () => {
      await table.put(key, record(), undefined);
      const seen = await revisionOf();
      await other.remove(key, seen);
      await expect(table.put(key, record(), seen)).rejects.toEqual(conflict);
    });

    it('finds nothing after a removal, and takes a new record there, more than once', async () => {
      for (let round = 0; round < 3; round++) {
        const put = record();
        await table.put(key, put, undefined);
        expect((await other.find(key))?.value).toEqual(put);
        await table.remove(key, await revisionOf());
        expect(await table.find(key)).toBeUndefined();
        expect(await other.find(key)).toBeUndefined();
      }
    });

    it('gives one of many who create at the same time the place', async () => {
      const results = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => (i % 2 ? table : other).put(key, record(), undefined)));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });
  });
}
