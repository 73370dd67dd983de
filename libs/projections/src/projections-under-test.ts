import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { jetstreamManager, type StreamConfig } from '@nats-io/jetstream';
import { Client, type Pool } from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { newId, type CommandContext, type Fact } from '@sandlot/kernel';
import {
  aggregateRef,
  DOMAIN_STREAM,
  DOMAIN_SUBJECTS,
  SandboxPauseRequested,
  SandboxRequested,
  subjectOf,
  type AggregateRef,
} from '@sandlot/contracts';
import { JetStreamEventStore, nothing, type EventStore, type RecordedEvent, type Revision } from '@sandlot/event-store';
import { atEnd, freshDatabase, startTestNats, waitFor } from '@sandlot/testing';
import { checkpointTables, migrate, ProjectionRunner, slotTables, upsert, writerPool, type ProjectionRunnerOptions } from './index.js';
import type { ProjectionStatus, ReadModel, ServiceDatabase, SlotWriter } from './index.js';

/** How often each sandbox was paused: a count, which an event that takes effect twice makes wrong. */
export const sandboxes: ReadModel = {
  name: 'sandboxes',
  tables: ['sandboxes'],
  aggregates: ['sandbox'],
  async apply(events, write) {
    const ids = [...new Set(events.map(({ aggregate }) => aggregate.id))];
    const found = await write.query<SandboxRow>(`select * from ${write.slot}.sandboxes where id = any($1)`, [ids]);
    const rows = new Map(found.rows.map((row) => [row.id, row]));
    for (const event of events) rows.set(event.aggregate.id, evolveRow(rows.get(event.aggregate.id), event));
    const columns = { id: 'text', name: 'text', pauses: 'integer', updated_at: 'timestamptz' };
    await upsert(write, { table: 'sandboxes', columns, key: ['id'] }, [...rows.values()]);
  },
};

/** Every event, of whatever aggregate. */
export const trail: ReadModel = {
  name: 'trail',
  tables: ['trail'],
  async apply(events, write) {
    const rows = events.map(({ position, id, type }) => ({ position, id, type }));
    await upsert(write, { table: 'trail', columns: { position: 'bigint', id: 'text', type: 'text' }, key: ['position'] }, rows);
  },
};

export interface SandboxRow {
  id: string;
  name: string;
  pauses: number;
  updated_at: string;
}

export function evolveRow(row: SandboxRow | undefined, { aggregate, fact, time }: RecordedEvent): SandboxRow {
  const { id, name, pauses } = row ?? { id: aggregate.id, name: '', pauses: 0 };
  if (fact.type === SandboxRequested.type) return { id, name: (fact.data as { name: string }).name, pauses, updated_at: time };
  return { id, name, pauses: pauses + (fact.type === SandboxPauseRequested.type ? 1 : 0), updated_at: time };
}

class Checkpoints1760000000000 implements MigrationInterface {
  private readonly tables = checkpointTables('provisioner');
  up = (runner: QueryRunner) => this.tables.up(runner);
  down = (runner: QueryRunner) => this.tables.down(runner);
}

class Sandboxes1760000000001 implements MigrationInterface {
  private readonly tables = slotTables(
    'provisioner',
    sandboxes,
    (slot) => `
      create table ${slot}.sandboxes (id text primary key, name text not null, pauses integer not null, updated_at timestamptz not null);
      create index on ${slot}.sandboxes (updated_at, id)`,
  );
  up = (runner: QueryRunner) => this.tables.up(runner);
  down = (runner: QueryRunner) => this.tables.down(runner);
}

class Trail1760000000002 implements MigrationInterface {
  private readonly tables = slotTables(
    'provisioner',
    trail,
    (slot) => `create table ${slot}.trail (position bigint primary key, id text not null unique, type text not null)`,
  );
  up = (runner: QueryRunner) => this.tables.up(runner);
  down = (runner: QueryRunner) => this.tables.down(runner);
}

export const migrations = [Checkpoints1760000000000, Sandboxes1760000000001, Trail1760000000002];

export function context(): CommandContext {
  const commandId = newId('cmd');
  return { commandId, at: new Date().toISOString(), actor: { type: 'service', id: 'test' }, correlationId: commandId };
}

/** Adds facts to sandboxes and keeps where each stands. */
export class Scribe {
  private readonly revisions = new Map<string, Revision>();

  constructor(private readonly store: EventStore) {}

  /** Returns the position. */
  async append(ref: AggregateRef, ...facts: Fact[]): Promise<number> {
    const expected = this.revisions.get(ref.id) ?? nothing;
    const appended = await this.store.append(context(), [{ aggregate: ref, expected, facts }]);
    if (appended.outcome !== 'appended') throw new Error(`not appended: ${appended.outcome}`);
    this.revisions.set(ref.id, appended.revisions[0]!);
    return appended.position;
  }

  /** A sandbox that was paused so many times; returns the position of the last event. */
  async sandbox(pauses: number, ref = aggregateRef('sandbox', newId('sbx'))): Promise<number> {
    if (!this.revisions.has(ref.id)) await this.append(ref, requested());
    let position = this.revisions.get(ref.id)!.position;
    for (let left = pauses; left > 0; left -= 100)
      position = await this.append(ref, ...Array.from({ length: Math.min(left, 100) }, () => SandboxPauseRequested({ cause: 'idle' })));
    return position;
  }
}

export const requested = (name = 's1') =>
  SandboxRequested({ owner: newId('usr'), username: 'alice', name, spec: { image: 'i', ports: [{ port: 8888 }] } });

export class ProjectionsUnderTest {
  readonly scribe: Scribe;

  private constructor(
    readonly connection: NatsConnection,
    readonly store: JetStreamEventStore,
    readonly database: ServiceDatabase,
    readonly pool: Pool,
    readonly ownerUrl: string,
  ) {
    this.scribe = new Scribe(store);
  }

  /** A log and a database of its own. */
  static async start({ natsUrl, database, stream = {} }: { natsUrl?: string; database?: string; stream?: Partial<StreamConfig> } = {}) {
    const url = natsUrl ?? (await startTestNats()).url;
    const connection = await connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    atEnd(() => connection.close());
    await addStream(connection, stream);
    const ownerUrl = database ?? (await freshDatabase());
    const roles = await migrate({ service: 'provisioner', ownerUrl, migrations });
    const pool = writerPool('provisioner', roles.writerUrl);
    atEnd(() => pool.end());
    return new ProjectionsUnderTest(connection, await JetStreamEventStore.open(connection), roles, pool, ownerUrl);
  }

  runner(options: Partial<ProjectionRunnerOptions> = {}): ProjectionRunner {
    const { connection, pool, store } = this;
    const runner = new ProjectionRunner({ service: 'provisioner', connection, pool, store, models: [sandboxes, trail], ...options });
    runner.start();
    atEnd(() => runner.stop());
    return runner;
  }

  async lastPosition(): Promise<number> {
    return (await (await jetstreamManager(this.connection)).streams.info(DOMAIN_STREAM)).state.last_seq;
  }

  /** Something on a sandbox's subject that no service of ours wrote. */
  async publishRaw(ref: AggregateRef, fields: Record<string, string>, body: string): Promise<void> {
    const hdrs = headers();
    for (const [name, value] of Object.entries(fields)) hdrs.append(name, value);
    await this.connection.request(subjectOf(ref), body, { headers: hdrs, timeout: 5_000 });
  }

  async rows<Row extends object>(sql: string, params: unknown[] = []): Promise<Row[]> {
    return (await this.pool.query<Row>(sql, params)).rows;
  }

  async asOwner(sql: string): Promise<void> {
    const client = new Client({ connectionString: this.ownerUrl });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  }

  /** The read model, as queries see it. */
  shown(): Promise<SandboxRow[]> {
    return this.rows('select id, name, pauses, updated_at from provisioner.sandboxes order by id');
  }

  /** The read model as it must be: the log folded in memory. */
  async folded(skip: readonly number[] = []): Promise<SandboxRow[]> {
    const rows = new Map<string, SandboxRow>();
    for (const { id } of await this.rows<{ id: string }>('select id from provisioner.sandboxes')) {
      const events = await this.store.read(aggregateRef('sandbox', id));
      for (const event of events) if (!skip.includes(event.position)) rows.set(id, evolveRow(rows.get(id), event));
    }
    return [...rows.values()]
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((row) => ({ ...row, updated_at: new Date(row.updated_at) as never }));
  }
}

export async function addStream(connection: NatsConnection, overrides: Partial<StreamConfig> = {}): Promise<void> {
  const manager = await jetstreamManager(connection);
  const guarded = { deny_delete: true, deny_purge: true };
  await manager.streams.add({
    name: DOMAIN_STREAM,
    subjects: [DOMAIN_SUBJECTS],
    allow_direct: true,
    allow_atomic: true,
    ...guarded,
    ...overrides,
  });
}

export function waitForState(runner: ProjectionRunner, name: string, accept: (status: ProjectionStatus) => boolean, describe: string) {
  return waitFor(() => runner.status().find((status) => status.name === name)!, { describe, within: 15_000 }, accept);
}

/** The model with something done before each application. */
export function before(
  model: ReadModel,
  act: (events: readonly RecordedEvent[], write: SlotWriter) => Promise<unknown> | unknown,
): ReadModel {
  return {
    ...model,
    async apply(events, write) {
      await act(events, write);
      await model.apply(events, write);
    },
  };
}
