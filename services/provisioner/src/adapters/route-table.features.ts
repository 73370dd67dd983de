import { newId } from '@sandlot/kernel';
import { routeKey, type RouteRecord } from '@sandlot/contracts';
import type { RouteTable } from '../ports.js';

/** What every table of routes does. `other` is a second client of the same table. */
export function testRouteTable(name: string, factory: () => Promise<{ table: RouteTable; other: RouteTable }>): void {
  describe(`routes in ${name}`, () => {
    let table: RouteTable;
    let other: RouteTable;
    let key: string;
    let count = 0;
    const route = (state: RouteRecord['state'] = 'running'): RouteRecord => ({
      sandboxId: newId('sbx'),
      owner: newId('usr'),
      username: 'alice',
      name: 's1',
      state,
      ports: [{ port: 8888, address: '127.0.0.1:41000' }],
    });
    const revisionOf = async (): Promise<number> => (await table.find(key))?.revision as number;
    const conflict = expect.objectContaining({ code: 'CONFLICT' });

    beforeAll(async () => ({ table, other } = await factory()));
    beforeEach(() => {
      key = routeKey('alice', `s${++count}`);
    });

    it('finds nothing where nothing was put', async () => {
      expect(await table.find(key)).toBeUndefined();
    });

    it('finds what was put, and so do others', async () => {
      const put = route();
      await table.put(key, put, undefined);
      expect(await table.find(key)).toEqual({ route: put, revision: expect.any(Number) });
      expect(await other.find(key)).toEqual(await table.find(key));
    });

    it('replaces a value whose revision is known', async () => {
      await table.put(key, route(), undefined);
      const next = route('paused');
      await table.put(key, next, await revisionOf());
      expect((await table.find(key))?.route).toEqual(next);
    });

    it('refuses to create what exists already', async () => {
      const first = route();
      await table.put(key, first, undefined);
      await expect(other.put(key, route(), undefined)).rejects.toEqual(conflict);
      expect((await table.find(key))?.route).toEqual(first);
    });

    it('refuses to replace or remove what somebody else has changed', async () => {
      await table.put(key, route(), undefined);
      const seen = await revisionOf();
      const theirs = route('paused');
      await other.put(key, theirs, seen);
      await expect(table.put(key, route(), seen)).rejects.toEqual(conflict);
      await expect(table.remove(key, seen)).rejects.toEqual(conflict);
      expect((await table.find(key))?.route).toEqual(theirs);
    });

    it('refuses to replace what somebody else has removed', async () => {
      await table.put(key, route(), undefined);
      const seen = await revisionOf();
      await other.remove(key, seen);
      await expect(table.put(key, route(), seen)).rejects.toEqual(conflict);
    });

    it('finds nothing after a removal, and takes a new value there, more than once', async () => {
      for (let round = 0; round < 3; round++) {
        const put = route();
        await table.put(key, put, undefined);
        expect((await other.find(key))?.route).toEqual(put);
        await table.remove(key, await revisionOf());
        expect(await table.find(key)).toBeUndefined();
        expect(await other.find(key)).toBeUndefined();
      }
    });

    it('gives one of many who create at the same time the place', async () => {
      const results = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => (i % 2 ? table : other).put(key, route(), undefined)));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });
  });
}
