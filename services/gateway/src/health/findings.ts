import {
  tolerableSkewMs,
  type ConsumerView,
  type HealthCode,
  type ProjectionView,
  type ServiceConditions,
  type UnansweredService,
} from '@sandlot/contracts';
import type { NatsServerSeen } from './nats-servers.js';
import type { OperationsSeen } from './operations-bucket.js';

/** What the services say of themselves, and what is seen of what they stand on. */
export interface Observed {
  readonly projections: readonly ProjectionView[];
  readonly consumers: readonly ConsumerView[];
  readonly unanswered: readonly UnansweredService[];
  /** Consumers that have not moved for long, though events wait. */
  readonly stuck: ReadonlySet<string>;
  /** From every process, with when its answer came. */
  readonly reported: readonly (ServiceConditions & { readonly heardAt: Date })[];
  readonly natsServers: readonly NatsServerSeen[];
  /** Undefined while NATS does not answer. */
  readonly operations: OperationsSeen | undefined;
  /** How old the last backup may be, in ms; 0: nobody expects one. */
  readonly backupMaxAgeMs: number;
  readonly now: Date;
}

export interface Finding {
  readonly code: HealthCode;
  readonly subject: string;
  readonly message: string;
}

/** How far a read model or consumer may be behind before it is worth a warning: a few seconds of a rebuild, minutes of ordinary work. */
export const farBehindEvents = 10_000;
/** How full NATS' storage may be: there must be time to get a larger disk. */
export const storageRatio = 0.7;

export function findings(observed: Observed): Finding[] {
  const { projections, consumers, unanswered, stuck, now } = observed;
  const silent = new Map(unanswered.map(({ service, detail }) => [service, detail]));
  const told = observed.reported.flatMap(({ conditions }) => conditions);
  const outdated = new Set(told.filter(({ code }) => code === 'SL-CONS-05').map(({ subject }) => subject));
  return [
    ...[...silent].map(([service, detail]): Finding => ({ code: 'SL-SVC-01', subject: service, message: detail })),
    ...projections.flatMap(ofProjection),
    ...consumers.flatMap((consumer) => ofConsumer(consumer, stuck.has(consumer.name) && !outdated.has(consumer.name), now)),
    ...observed.reported.flatMap(ofProcess),
    ...observed.natsServers.flatMap(ofNatsServer),
    ...(observed.operations ? ofOperations(observed.operations, observed.backupMaxAgeMs, now) : []),
  ];
}

const stopped = { parked: 'SL-PROJ-01', halted: 'SL-PROJ-02', waiting: 'SL-DB-01' } as const satisfies Record<string, HealthCode>;

function ofProjection({ service, name, status, reason, message, lagEvents, rebuild }: ProjectionView): Finding[] {
  const subject = `${service}/${name}`;
  const found: Finding[] = [];
  if (reason === 'NEWER_EVENT') found.push({ code: 'SL-PROJ-05', subject, message: message ?? `it is ${status}` });
  else if (status in stopped) found.push({ code: stopped[status as keyof typeof stopped], subject, message: message ?? `it is ${status}` });
  else if ((lagEvents ?? 0) > farBehindEvents) found.push({ code: 'SL-PROJ-03', subject, message: `it is ${lagEvents} events behind` });
  if (rebuild && (rebuild.status === 'parked' || rebuild.status === 'halted'))
    found.push({ code: 'SL-PROJ-04', subject, message: rebuild.message ?? `it is ${rebuild.status}` });
  return found;
}

/** One event of a newer version keeps a consumer where it is for good, though the others are handled: that is no standstill. */
function ofConsumer({ name: subject, pending, deadLetters, pausedUntil }: ConsumerView, isStuck: boolean, now: Date): Finding[] {
  const found: Finding[] = [];
  const isPaused = pausedUntil !== null && new Date(pausedUntil) > now;
  if (deadLetters > 0) found.push({ code: 'SL-CONS-01', subject, message: `${deadLetters} given up` });
  if (isPaused) found.push({ code: 'SL-CONS-02', subject, message: `until ${pausedUntil}, with ${pending} waiting` });
  else if (isStuck) found.push({ code: 'SL-CONS-03', subject, message: `${pending} wait` });
  else if (pending > farBehindEvents) found.push({ code: 'SL-CONS-04', subject, message: `${pending} wait` });
  return found;
}

/** Its answer took some time, so its clock may seem behind by that much; nobody's answer takes seconds. */
function ofProcess({ service, instance, at, heardAt, conditions }: Observed['reported'][number]): Finding[] {
  const skewMs = Date.parse(at) - heardAt.getTime();
  return [...conditions, ...ofClock(`${service}/${instance}`, skewMs, `${service}'s clock on ${instance}`)];
}

function ofClock(subject: string, skewMs: number, whose: string): Finding[] {
  if (Math.abs(skewMs) <= tolerableSkewMs) return [];
  const message = `${whose} is ${(Math.abs(skewMs) / 1000).toFixed(1)} s ${skewMs < 0 ? 'behind' : 'ahead of'} that of the gateway`;
  return [{ code: 'SL-CLK-01', subject, message }];
}

function ofNatsServer({ server, trouble, storedBytes, limitBytes }: NatsServerSeen): Finding[] {
  const subject = `nats/${server}`;
  if (trouble !== undefined) return [{ code: 'SL-NATS-02', subject, message: trouble }];
  if (storedBytes === undefined || limitBytes === undefined || storedBytes <= storageRatio * limitBytes) return [];
  const percent = Math.round((100 * storedBytes) / limitBytes);
  return [{ code: 'SL-NATS-01', subject, message: `${percent} percent of ${limitBytes} bytes are taken` }];
}

function ofOperations({ lastBackup, backups, since, natsSkewMs }: OperationsSeen, maxAgeMs: number, now: Date): Finding[] {
  const subject = 'backup';
  const found = ofClock('nats', natsSkewMs, "NATS's clock");
  const failure = backups?.lastFailure;
  const last = lastBackup && new Date(lastBackup.at);
  const message = last ? `the last one is of ${last.toISOString()}` : 'none has ever been taken';
  if (maxAgeMs > 0 && now.getTime() - (last ?? since).getTime() > maxAgeMs) found.push({ code: 'SL-BAK-01', subject, message });
  if (failure && (!last || new Date(failure.at) > last)) found.push({ code: 'SL-BAK-02', subject, message: failure.message });
  return found;
}
