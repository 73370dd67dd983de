import { startTestPostgres } from '@sandlot/testing';
import { databaseIsThere } from './wait-for-database.js';

describe('the migration', () => {
  it('waits for a database that is not there yet', async () => {
    const server = await startTestPostgres();
    await server.stop();
    let there = false;
    const waiting = databaseIsThere(server.url).then(() => (there = true));
    expect(there).toBe(false);
    await server.restart();
    await waiting;
    expect(there).toBe(true);
  }, 60_000);

  it('does not wait for one that refuses', async () => {
    const url = new URL((await startTestPostgres()).url);
    url.pathname = '/nothing';
    await expect(databaseIsThere(url.href)).rejects.toThrow('database "nothing" does not exist');
  }, 60_000);
});
