import { tolerableSkewMs, type Condition } from '@sandlot/contracts';

interface Asked {
  query<Row>(sql: string, params: readonly unknown[]): Promise<Row[]>;
}

/** Whether PostgreSQL's clock and ours differ. A database that is away has no clock; others say that it is away. */
export async function databaseClockConditions(service: string, database: Asked, now = Date.now): Promise<Condition[]> {
  const before = now();
  const rows = await database.query<{ ms: string }>('select extract(epoch from clock_timestamp()) * 1000 as ms', []).catch(() => undefined);
  if (!rows) return [];
  const after = now();
  const ms = Number(rows[0]!.ms);
  const skew = ms < before ? ms - before : Math.max(0, ms - after); // while it was asked, any time is right
  if (Math.abs(skew) <= tolerableSkewMs) return [];
  const message = `PostgreSQL's clock is ${(Math.abs(skew) / 1000).toFixed(1)} s ${skew < 0 ? 'behind' : 'ahead of'} that of ${service}`;
  return [{ code: 'SL-CLK-01', subject: `${service}/postgresql`, message }];
}
