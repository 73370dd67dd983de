import type { RecordedEvent } from '@sandlot/event-store';
import { upsert, type ReadModel, type TableShape } from '@sandlot/projections';

const entries: TableShape = {
  table: 'entries',
  columns: {
    position: 'bigint',
    id: 'text',
    at: 'timestamptz',
    actor_type: 'text',
    actor_id: 'text',
    key_id: 'text',
    ip: 'text',
    action: 'text',
    target_type: 'text',
    target_id: 'text',
    outcome: 'text',
    reason: 'text',
    correlation_id: 'text',
    data: 'jsonb',
  },
  key: ['position'],
};

/** What an id is called by people. A sandbox's name may pass on to another; its id stays. */
const names: TableShape = { table: 'names', columns: { id: 'text', kind: 'text', name: 'text' }, key: ['id'] };

/** Every event, as a line of the trail. */
export const trail: ReadModel & { ddl(slot: string): string } = {
  name: 'trail',
  tables: ['entries', 'names'],

  ddl: (slot) => `
    create table ${slot}.entries (
      position bigint primary key, id text not null, at timestamptz not null, actor_type text not null, actor_id text not null, key_id text, ip text,
      action text not null, target_type text not null, target_id text not null, outcome text not null, reason text,
      correlation_id text not null, data jsonb not null
    );
    create index on ${slot}.entries (at, id);
    create index on ${slot}.entries (actor_id, at, id);
    create index on ${slot}.entries (target_id, at, id);
    create index on ${slot}.entries (correlation_id);
    create table ${slot}.names (id text primary key, kind text not null, name text not null);
    create index on ${slot}.names (name)`,

  async apply(events, write) {
    await upsert(write, entries, events.map(entryOf));
    const named = new Map(events.flatMap(nameIn).map((row) => [row.id, row]));
    await upsert(write, names, [...named.values()]);
  },
};

export interface EntryRow {
  position: number | null;
  id: string;
  at: string;
  actor_type: string;
  actor_id: string;
  key_id: string | null;
  ip: string | null;
  action: string;
  target_type: string;
  target_id: string;
  outcome: 'done' | 'failed' | 'refused';
  reason: string | null;
  correlation_id: string;
  data: Record<string, unknown>;
}

export function entryOf(event: RecordedEvent): EntryRow {
  const action = event.type.replace(/\.v\d+$/, '');
  const data = event.fact.data as Record<string, unknown>;
  return {
    position: event.position,
    id: event.id,
    at: event.time,
    actor_type: event.actor.type,
    actor_id: event.actor.id,
    key_id: event.actor.keyId ?? null,
    ip: event.actor.ip ?? null,
    action,
    target_type: event.aggregate.aggregate,
    target_id: event.aggregate.id,
    outcome: /failed$/.test(action) ? 'failed' : 'done',
    reason: [data['reason'], data['cause']].find((value) => typeof value === 'string') ?? null,
    correlation_id: event.correlationId,
    data: withoutSealed(data),
  };
}

/** What is sealed, and what a key is looked up by, says nothing to a reader of the trail. */
function withoutSealed({ personal: _, hash: __, ...data }: Record<string, unknown>): Record<string, unknown> {
  return data;
}

function nameIn({ type, aggregate: { id }, fact }: RecordedEvent): { id: string; kind: string; name: string }[] {
  const { username, name } = fact.data as { username?: string; name?: string };
  if (type.startsWith('user.created.') && username) return [{ id, kind: 'user', name: username }];
  if (type.startsWith('sandbox.requested.') && name) return [{ id, kind: 'sandbox', name }];
  if (/^apikey\.(created|renamed)\./.test(type) && name) return [{ id, kind: 'apikey', name }];
  return [];
}
