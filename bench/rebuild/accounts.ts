import type { MigrationInterface, QueryRunner } from 'typeorm';
import type { RecordedEvent } from '@sandlot/event-store';
import { checkpointTables, slotTables, upsert, type ReadModel } from '@sandlot/projections';

interface UserRow {
  id: string;
  username: string;
  role: string;
  email: string | null;
  display_name: string | null;
  created_at: string;
  updated_at: string;
}

interface SandboxRow {
  id: string;
  owner: string;
  name: string;
  state: string;
  spec: unknown;
  addresses: unknown;
  version: number;
  created_at: string;
  updated_at: string;
}

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

/** Users and their sandboxes as a list shows them: every event of either is read, and changes a row. */
export const accounts: ReadModel = {
  name: 'accounts',
  tables: ['users', 'sandboxes'],
  aggregates: ['user', 'sandbox'],
  async apply(events, write) {
    const rowsOf = async <Row extends { id: string }>(aggregate: string, table: string): Promise<Map<string, Row>> => {
      // A first event needs no look at what is there.
      const known = events.filter((event) => event.aggregate.aggregate === aggregate && event.version > 1).map((event) => event.aggregate.id);
      const ids = [...new Set(known)];
      if (ids.length === 0) return new Map();
      const found = await write.query<Row>(`select * from ${write.slot}.${table} where id = any($1)`, [ids]);
      return new Map(found.rows.map((row) => [row.id, row]));
    };
    const userRows = await rowsOf<UserRow>('user', 'users');
    const sandboxRows = await rowsOf<SandboxRow>('sandbox', 'sandboxes');
    const changed = { user: new Set<string>(), sandbox: new Set<string>() };
    for (const event of events) {
      const { id } = event.aggregate;
      changed[event.aggregate.aggregate as 'user' | 'sandbox'].add(id);
      if (event.aggregate.aggregate === 'user') userRows.set(id, evolveUser(userRows.get(id), event));
      else sandboxRows.set(id, evolveSandbox(sandboxRows.get(id), event));
    }
    await upsert(write, users, [...changed.user].map((id) => userRows.get(id)!));
    await upsert(write, sandboxes, [...changed.sandbox].map((id) => sandboxRows.get(id)!));
  },
};

function evolveUser(row: UserRow | undefined, { aggregate, fact, time }: RecordedEvent): UserRow {
  const data = fact.data as { username?: string; role?: string; personal?: { email: string | null; displayName: string | null } };
  return {
    id: aggregate.id,
    username: data.username ?? row!.username,
    role: data.role ?? row!.role,
    email: data.personal ? data.personal.email : row!.email,
    display_name: data.personal ? data.personal.displayName : row!.display_name,
    created_at: row?.created_at ?? time,
    updated_at: time,
  };
}

function evolveSandbox(row: SandboxRow | undefined, { aggregate, fact, time, version }: RecordedEvent): SandboxRow {
  const data = fact.data as { owner?: string; name?: string; spec?: unknown; addresses?: unknown };
  return {
    id: aggregate.id,
    owner: data.owner ?? row!.owner,
    name: data.name ?? row!.name,
    state: states[fact.type] ?? row!.state,
    spec: data.spec ?? row!.spec,
    addresses: data.addresses ?? row?.addresses ?? null,
    version,
    created_at: row?.created_at ?? time,
    updated_at: time,
  };
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
      );
      create index on ${slot}.users (created_at, id);
      create table ${slot}.sandboxes (
        id text primary key, owner text not null, name text not null, state text not null, spec jsonb not null, addresses jsonb,
        version integer not null, created_at timestamptz not null, updated_at timestamptz not null
      );
      create index on ${slot}.sandboxes (owner, created_at, id)`,
  );
  up = (runner: QueryRunner) => this.tables.up(runner);
  down = (runner: QueryRunner) => this.tables.down(runner);
}

export const migrations = [Checkpoints1760000000000, Accounts1760000000001];
