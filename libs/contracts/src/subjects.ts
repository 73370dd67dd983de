/** Which service owns which kind of aggregate, and so on whose subjects its events stand. */
export const aggregates = {
  user: 'auth',
  username: 'auth',
  apikey: 'auth',
  ledger: 'provisioner',
  namespace: 'provisioner',
  sandbox: 'provisioner',
  route: 'provisioner',
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

export function subjectOf({ context, aggregate, id }: AggregateRef): string {
  if (!token.test(id)) throw new RangeError(`not an aggregate id: ${JSON.stringify(id)}`);
  return `sandlot.${context}.${aggregate}.${id}`;
}

export function refOf(subject: string): AggregateRef {
  const [root, context, aggregate, id, ...more] = subject.split('.');
  if (root !== 'sandlot' || !context || !aggregate || !id || more.length > 0) throw new RangeError(`not a domain subject: ${subject}`);
  return { context, aggregate, id } as AggregateRef;
}

/** Every instance of a kind of aggregate, as a subject filter. */
export const allOf = (aggregate: OwnedAggregate): string => `sandlot.${aggregates[aggregate]}.${aggregate}.*`;
