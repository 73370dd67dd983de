import type { Pool, PoolClient } from 'pg';

/**
 * The right to apply events for a service, held by one process at a time: a session's advisory lock in PostgreSQL, on a connection of its
 * own. It is gone with the connection. A process that has not noticed yet does no harm, because every batch is fenced by the checkpoint.
 */
export class Lease {
  private gone = false;
  private readonly timer: NodeJS.Timeout;

  private constructor(
    private readonly client: PoolClient,
    private readonly onLost: () => void,
  ) {
    client.on('error', () => this.lose());
    client.on('end', () => this.lose());
    this.timer = setInterval(() => void this.ask(), 1_000);
  }

  /** The lease, or undefined when another process has it. Throws when PostgreSQL is away. */
  static async tryTake(pool: Pool, service: string, onLost: () => void): Promise<Lease | undefined> {
    const client = await pool.connect();
    const ignore = (): void => undefined;
    client.on('error', ignore);
    try {
      const { rows } = await client.query<{ taken: boolean }>(
        `select pg_try_advisory_lock(hashtext('sandlot projections'), hashtext($1)) as taken`,
        [service],
      );
      if (rows[0]!.taken) return new Lease(client, onLost);
    } catch (error) {
      client.release(error as Error);
      throw error;
    } finally {
      client.off('error', ignore);
    }
    client.release();
    return undefined;
  }

  /** Closes the connection, which gives the lock back. */
  release(): void {
    if (this.gone) return;
    this.gone = true;
    clearInterval(this.timer);
    this.client.release(true);
  }

  private async ask(): Promise<void> {
    const late = setTimeout(() => this.lose(), 3_000);
    await this.client.query('select 1').catch(() => this.lose());
    clearTimeout(late);
  }

  private lose(): void {
    if (this.gone) return;
    this.release();
    this.onLost();
  }
}
