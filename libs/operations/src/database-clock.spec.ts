import { databaseClockConditions } from './database-clock.js';

const database = (ms: number) => ({ query: async <Row>() => [{ ms: String(ms) } as Row] });

describe('the clock of PostgreSQL', () => {
  const now = 1_000_000;
  const found = (aheadMs: number) => databaseClockConditions('auth', database(now + aheadMs), () => now);

  it('is told of when it differs by more than 5 s, in either direction', async () => {
    expect(await found(5_000)).toEqual([]);
    expect(await found(-5_000)).toEqual([]);
    expect(await found(5_001)).toMatchObject([{ code: 'SL-CLK-01', message: "PostgreSQL's clock is 5.0 s ahead of that of auth" }]);
    expect(await found(-90_000)).toMatchObject([
      { subject: 'auth/postgresql', message: "PostgreSQL's clock is 90.0 s behind that of auth" },
    ]);
  });

  it('is not told of while the database is away', async () => {
    const away = { query: () => Promise.reject(new Error('away')) };
    expect(await databaseClockConditions('auth', away)).toEqual([]);
  });
});
