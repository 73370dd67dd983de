import type { AuditEntry, AuditFilters } from '@sandlot/contracts';
import type { ReadSide } from '@sandlot/projections';
import { afterCursor, cursorAt, invalidCursor } from './page-cursor.js';
import { Params } from './params.js';

/** Where the trail is followed from: a position in the log, and one in the stream of requests. */
export interface TailCursor {
  domain: number;
  access: number;
}

export interface Tail {
  items: { cursor: TailCursor; entry: AuditEntry }[];
  cursor: TailCursor;
}

interface Row {
  source: 'domain' | 'access';
  sequence: string;
  id: string;
  at: Date;
  actor_type: AuditEntry['actorType'];
  actor_id: string;
  actor: string;
  key_id: string | null;
  ip: string | null;
  action: string;
  target_type: string;
  target_id: string;
  target: string | null;
  outcome: AuditEntry['outcome'];
  status: number | null;
  reason: string | null;
  correlation_id: string;
  data: Record<string, unknown>;
}

/** Both sources of the trail in one shape. Conditions go into each half, where its indexes are. */
const halves = {
  domain: `
    select 'domain' as source, e.position as sequence, e.id, e.at, e.actor_type, e.actor_id, coalesce(a.name, e.actor_id) as actor, e.key_id, e.ip,
           e.action, e.target_type, e.target_id, t.name as target, e.outcome, null::integer as status, e.reason, e.correlation_id, e.data
    from audit.entries e left join audit.names a on a.id = e.actor_id left join audit.names t on t.id = e.target_id`,
  access: `
    select 'access' as source, r.sequence, r.id, r.at, case when r.user_id is null then 'anonymous' else 'user' end as actor_type,
           coalesce(r.user_id, 'anonymous') as actor_id, coalesce(r.username, 'anonymous') as actor, r.key_id, r.ip, 'request.refused' as action,
           'request' as target_type, coalesce(r.target_id, r.path) as target_id, t.name as target, 'refused' as outcome, r.status,
           coalesce(r.reason, r.code) as reason, r.request_id as correlation_id,
           jsonb_build_object('method', r.method, 'path', r.path, 'code', r.code) as data
    from audit.refusals r left join audit.names t on t.id = r.target_id`,
};

type Source = keyof typeof halves;

/** The trail as PostgreSQL has it. */
export class Entries {
  constructor(private readonly reads: Pick<ReadSide, 'query'>) {}

  /** One page by time. Pages stay whole while new entries come: they only ever come after. */
  async list(request: {
    filters: AuditFilters;
    order: 'asc' | 'desc';
    limit: number;
    cursor?: string | undefined;
  }): Promise<{ items: AuditEntry[]; nextCursor: string | null }> {
    const { filters, order, limit } = request;
    const params = new Params();
    const behind = afterCursor(request.cursor, order, params);
    const rows = await this.select(filters, params, behind, `order by at ${order}, id ${order} limit ${limit + 1}`);
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return {
      items: items.map(entry),
      nextCursor: rows.length > limit && last ? cursorAt(last) : null,
    };
  }

  /** What came behind a cursor, in the order in which it came. */
  async tail(cursor: TailCursor, filters: AuditFilters, limit: number): Promise<Tail> {
    const { domain, access } = await this.head();
    const page: Tail = { items: [], cursor: { ...cursor } };
    for (const [source, head] of [
      ['domain', domain],
      ['access', access],
    ] as const) {
      const params = new Params();
      const between = `sequence > ${params.add(cursor[source])} and sequence <= ${params.add(head)}`;
      const rows = await this.select(filters, params, [`source = '${source}'`, between], `order by sequence, id limit ${limit + 1}`);
      // The last position of a page that is full may go on behind it: it is left to the next.
      const cut = rows.length > limit ? Number(rows.at(-1)!.sequence) - 1 : Math.max(head, cursor[source]);
      for (const row of rows) {
        if (Number(row.sequence) > cut) break;
        page.cursor[source] = Number(row.sequence);
        page.items.push({ cursor: { ...page.cursor }, entry: entry(row) });
      }
      page.cursor[source] = cut;
    }
    return page;
  }

  /** Up to where both sources are loaded. */
  async head(): Promise<TailCursor> {
    const [head] = await this.reads.query<{ domain: string; access: string }>(
      `select coalesce((select c.position from audit.projections p join audit.checkpoints c on c.projection = p.name and c.slot = p.live
                        where p.name = 'trail'), 0) as domain,
              coalesce((select position from audit.loads where name = 'refusals'), 0) as access`,
      [],
    );
    return { domain: Number(head!.domain), access: Number(head!.access) };
  }

  private async select(filters: AuditFilters, params: Params, conditions: readonly string[], ending: string): Promise<Row[]> {
    const wanted = [...conditions, ...conditionsOf(filters, params)];
    const where = wanted.length > 0 ? `where ${wanted.join(' and ')}` : '';
    const select = (half: string) => `(select * from (${half}) as entry ${where} ${ending})`;
    const sources = Object.entries(halves) as [Source, string][];
    return this.reads.query<Row>(
      `select * from (${sources.map(([, half]) => select(half)).join(' union all ')}) as trail ${ending}`,
      params.values,
    );
  }
}

function conditionsOf(filters: AuditFilters, params: Params): string[] {
  const { actor, action, target, since, until } = filters;
  const either = (value: string, id: string, name: string) => {
    const param = params.add(value);
    return `(${id} = ${param} or ${name} = ${param})`;
  };
  const equal = (column: string, value: string | undefined) => (value === undefined ? [] : [`${column} = ${params.add(value)}`]);
  return [
    ...(actor === undefined ? [] : [either(actor, 'actor_id', 'actor')]),
    ...(target === undefined ? [] : [either(target, 'target_id', 'target')]),
    ...(action?.endsWith('*') ? [`starts_with(action, ${params.add(action.slice(0, -1))})`] : equal('action', action)),
    ...equal('target_type', filters.targetType),
    ...equal('outcome', filters.outcome),
    ...equal('key_id', filters.keyId),
    ...equal('correlation_id', filters.correlationId),
    ...(since === undefined ? [] : [`at >= ${params.add(since)}::timestamptz`]),
    ...(until === undefined ? [] : [`at < ${params.add(until)}::timestamptz`]),
  ];
}

function entry(row: Row): AuditEntry {
  return {
    id: row.id,
    at: row.at.toISOString(),
    actorType: row.actor_type,
    actorId: row.actor_id,
    actor: row.actor,
    keyId: row.key_id,
    ip: row.ip,
    action: row.action,
    targetType: row.target_type,
    targetId: row.target_id,
    target: row.target,
    outcome: row.outcome,
    status: row.status,
    reason: row.reason,
    correlationId: row.correlation_id,
    position: row.source === 'domain' ? Number(row.sequence) : null,
    data: row.data,
  };
}

export const format = ({ domain, access }: TailCursor): string => `${domain}-${access}`;

export function tailCursor(text: string): TailCursor {
  const [, domain, access] = /^(\d{1,15})-(\d{1,15})$/.exec(text) ?? [];
  if (domain === undefined || access === undefined) throw invalidCursor(text);
  return { domain: Number(domain), access: Number(access) };
}
