import type { MigrationInterface, QueryRunner } from 'typeorm';
import type { RecordedEvent } from '@sandlot/event-store';
import { checkpointTables, merge, slotTables, upsert, type ReadModel } from '@sandlot/projections';

const users = {
  table: 'users',
  columns: {
    id: 'text', username: 'text', role: 'text', email: 'text', display_name: 'text', created_at: 'timestamptz', updated_at: 'timestamptz',
  },
  key: ['id'],
}; // prettier-ignore

const sandboxes = {
  table: 'sandboxes',
  columns: {
    id: 'text', owner: 'text', name: 'text', state: 'text', spec: 'jsonb', addresses: 'jsonb', version: 'integer', created_at: 'timestamptz',
    updated_at: 'timestamptz',
  },
  key: ['id'],
}; // prettier-ignore

const states: Readonly<Record<string, string>> = {
  'sandbox.requested.v1': 'starting',
  'sandbox.started.v1': 'running',
  'sandbox.pause-requested.v1': 'pausing',
  'sandbox.stopped.v1': 'paused',
  'sandbox.resume-requested.v1': 'resuming',
  'sandbox.deletion-requested.v1': 'deleting',
  'sandbox.deleted.v1': 'deleted',
};

/**
 * Users and their sandboxes as a list shows them: every event of either changes a row. An aggregate's first event has all that its row must
 * have, so the others need not see the row: they change what they say.
 */
export const accounts: ReadModel = {
  name: 'accounts',
  tables: ['users', 'sandboxes'],
  aggregates: ['user', 'sandbox'],
  async apply(events, write) {
    const rows = { user: new Map<string, Row>(), sandbox: new Map<string, Row>() };
    for (const event of events) {
      const { aggregate, id } = event.aggregate as { aggregate: 'user' | 'sandbox'; id: string };
      const news = aggregate === 'user' ? userNews(event) : sandboxNews(event);
      const row = rows[aggregate].get(id);
      if (row) Object.assign(row, news);
      else rows[aggregate].set(id, event.version === 1 ? { id, created_at: event.time, ...news } : { id, ...news });
    }
    for (const [shape, changed] of [
      [users, rows.user],
      [sandboxes, rows.sandbox],
    ] as const) {
      // prettier-ignore
      const [first, later] = [[...changed.values()].filter((row) => row.created_at), [...changed.values()].filter((row) => !row.created_at)];
      await upsert(write, shape, first);
      await merge(write, shape, later);
    }
  },
};

interface Row {
  id: string;
  /** Of rows that begin in this batch. */
  created_at?: string;
}

function userNews({ fact, time }: RecordedEvent): object {
  const { personal, ...data } = fact.data as {
    username?: string;
    role?: string;
    personal?: { email: string | null; displayName: string | null };
  };
  return { ...data, ...(personal && { email: personal.email, display_name: personal.displayName }), updated_at: time };
}

function sandboxNews({ fact, time, version }: RecordedEvent): object {
  const { owner, name, spec, addresses } = fact.data as { owner?: string; name?: string; spec?: unknown; addresses?: unknown };
  const change = { state: states[fact.type], version, updated_at: time };
  if (owner) return { owner, name, spec, ...change };
  return addresses ? { addresses, ...change } : change;
}

class Checkpoints1760000000000 implements MigrationInterface {
  private readonly tables = checkpointTables('provisioner');
  up = (runner: QueryRunner) => this.tables.up(runner);
  down = (runner: QueryRunner) => this.tables.down(runner);
}

class Accounts1760000000001 implements MigrationInterface {
  private readonly tables = slotTables(
    'provisioner',
    accounts,
    (slot) => `
      create table ${slot}.users (
        id text primary key, username text not null unique, role text not null, email text, display_name text,
        created_at timestamptz not null, updated_at timestamptz not null
      ) with (fillfactor = 70);
      create index on ${slot}.users (created_at, id);
      create table ${slot}.sandboxes (
        id text primary key, owner text not null, name text not null, state text not null, spec jsonb not null, addresses jsonb,
        version integer not null, created_at timestamptz not null, updated_at timestamptz not null
      ) with (fillfactor = 70);
      create index on ${slot}.sandboxes (owner, created_at, id)`,
  );
  up = (runner: QueryRunner) => this.tables.up(runner);
  down = (runner: QueryRunner) => this.tables.down(runner);
}

export const migrations = [Checkpoints1760000000000, Accounts1760000000001];
