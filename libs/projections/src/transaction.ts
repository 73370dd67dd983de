import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { messageOf, Unavailable } from './stops.js';

/** SQL in a transaction. */
export type Query = <Row extends QueryResultRow = QueryResultRow>(sql: string, params?: readonly unknown[]) => Promise<QueryResult<Row>>;

// Connection, rollback by conflict, out of resources, shut down or cancelled, lock not available, system, internal; and idle for too long.
const passing = /^(08|40|53|57|58|XX)|^(55P03|25P0[34])$/;

/** Whether a query failed because of what it asked, which the same query will do again. */
function isRefusal(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !passing.test(code);
}

/**
 * Runs `work` in one transaction. Throws Unavailable when the database is why it failed; what `work` or the data are guilty of passes
 * through. The commit is not forced to disk: what a crash takes away, it takes with the checkpoint, and the log gives it again.
 */
export async function transaction<Result>(
  pool: Pool,
  work: (query: Query, client: PoolClient) => Promise<Result>,
  { beforeCommit, afterCommit }: { beforeCommit?: () => void; afterCommit?: () => void } = {},
): Promise<Result> {
  const client = await pool.connect().catch(unavailable);
  let broken: Error | undefined;
  const onError = (error: Error): void => void (broken = error);
  client.on('error', onError);
  const query: Query = async (sql, params) => {
    try {
      return await client.query(sql, params as unknown[] | undefined);
    } catch (error) {
      if (isRefusal(error)) throw error;
      broken = error as Error;
      throw new Unavailable('PostgreSQL', error);
    }
  };
  try {
    await query('begin; set local synchronous_commit = off');
    const result = await work(query, client);
    beforeCommit?.();
    const { command } = await query('commit');
    // A failed query that `work` has swallowed makes the commit a rollback without an error.
    if (command !== 'COMMIT') throw new Error('a query of the transaction failed and was passed over');
    afterCommit?.();
    return result;
  } catch (error) {
    if (!broken) await client.query('rollback').catch((cause: Error) => void (broken = cause));
    throw broken && !(error instanceof Unavailable) ? new Unavailable('PostgreSQL', broken) : error;
  } finally {
    client.off('error', onError);
    client.release(broken);
  }
}

/** One query of its own. */
export async function queryOnce<Row extends QueryResultRow>(pool: Pool, sql: string, params: readonly unknown[]): Promise<Row[]> {
  try {
    return (await pool.query<Row>(sql, params as unknown[])).rows;
  } catch (error) {
    throw isRefusal(error) ? error : new Unavailable('PostgreSQL', messageOf(error));
  }
}

function unavailable(error: unknown): never {
  throw new Unavailable('PostgreSQL', error);
}
