/** Which service owns which kind of aggregate, and so on whose subjects its events stand. */
export const aggregates = {
  user: 'auth',
  username: 'auth',
  apikey: 'auth',
  masterkey: 'auth',
  ledger: 'provisioner',
  namespace: 'provisioner',
  sandbox: 'provisioner',
  route: 'provisioner',
  preview: 'provisioner',
  runtime: 'provisioner',
  discovery: 'provisioner',
} as const;

export type OwnedAggregate = keyof typeof aggregates;
export type Context = (typeof aggregates)[OwnedAggregate] | 'audit';

/** One aggregate instance. Each has a subject of its own: `sandlot.<context>.<aggregate>.<id>`. */
export interface AggregateRef {
  readonly context: Context;
  readonly aggregate: OwnedAggregate | 'projection' | 'consumer';
  /** One NATS token: letters, digits, `-` and `_`. */
  readonly id: string;
}

export const DOMAIN_STREAM = 'DOMAIN';
export const DOMAIN_SUBJECTS = 'sandlot.*.*.*';
export const ACCESS_STREAM = 'ACCESS';
export const ACCESS_SUBJECT = 'access.requests';
/** Where the proxies say which sandboxes are in use. No stream: who was not there to hear it takes them for used. */
export const ACTIVITY_SUBJECT = 'activity.sandboxes';
/** Core NATS, never stored: what proxies tell each other of what has passed. */
export const LIMITS_SUBJECT = 'limits.passed';
export const DEAD_STREAM = 'DEAD';
export const deadSubject = (durable: string): string => `dead.${durable}`;

export function aggregateRef(aggregate: OwnedAggregate, id: string): AggregateRef {
  return { context: aggregates[aggregate], aggregate, id };
}

/** What operators did to a projection or consumer stands in the context of the service that runs it. */
export function operationRef(context: Context, aggregate: 'projection' | 'consumer', id: string): AggregateRef {
  return { context, aggregate, id };
}

const token = /^[A-Za-z0-9_-]{1,128}$/;

/** Whether an aggregate can have this id; what cannot be one names nothing. */
export const isAggregateId = (id: string): boolean => token.test(id);

export function subjectOf({ context, aggregate, id }: AggregateRef): string {
  if (!isAggregateId(id)) throw new RangeError(`not an aggregate id: ${JSON.stringify(id)}`);
  return `sandlot.${context}.${aggregate}.${id}`;
}

const domainSubject = /^sandlot\.([^.]+)\.([^.]+)\.([^.]+)$/;

export function refOf(subject: string): AggregateRef {
  const [, context, aggregate, id] = domainSubject.exec(subject) ?? [];
  if (!id) throw new RangeError(`not a domain subject: ${subject}`);
  return { context, aggregate, id } as AggregateRef;
}

/** Every instance of a kind of aggregate, as a subject filter. */
export const allOf = (aggregate: OwnedAggregate): string => `sandlot.${aggregates[aggregate]}.${aggregate}.*`;
