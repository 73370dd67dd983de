import {
  ACCESS_STREAM,
  ACTIVITY_SUBJECT,
  DEAD_STREAM,
  deadSubject,
  DOMAIN_STREAM,
  IDEMPOTENCY_BUCKET,
  KEYS_BUCKET,
  LIMITS_SUBJECT,
  OPERATIONS_BUCKET,
  ROUTES_BUCKET,
  SUBJECT_KEYS_BUCKET,
} from '@sandlot/contracts';
import type { NatsPermissions } from './nats-config.js';

/*
 * Who may do what on NATS, enforced by the server. Only the migrator makes streams. Nobody may delete, purge or restore
 * anything but the restorer, whose seed no running service has.
 *
 * Known and accepted: an ordered consumer has a random name and its settings stand in the body of the request, where subjects cannot see
 * them. So who reads a stream may make consumers of any name on it, except those that are declared here as another service's, and may
 * have it delivered to a subject that he could not publish to.
 */

const services = ['auth', 'provisioner', 'audit', 'gateway', 'proxy', 'migrator', 'backup', 'restorer'] as const;
export const natsServices: readonly NatsService[] = services;
export type NatsService = (typeof services)[number];

interface Needs {
  /** Subjects that it publishes to, besides what follows from the rest. */
  publishes?: string[];
  /** Subjects that it listens to, besides its own messages. */
  hears?: string[];
  /** Streams that it reads with ordered consumers and gets. */
  reads?: string[];
  /** Its durable consumers on DOMAIN, `<service>-<handler>`. A new one must be added here: subjects know no prefixes of a token. */
  durables?: string[];
  buckets?: Record<string, 'reads' | 'writes'>;
  /** Services that it sends requests to. Every one answers those that it gets. */
  calls?: NatsService[];
  /** Streams that it makes and changes. */
  defines?: string[];
  /** Streams that it takes snapshots of. */
  snapshots?: string[];
  /** Streams that it makes from snapshots, in the place of what is there. */
  restores?: string[];
}

const buckets = [KEYS_BUCKET, ROUTES_BUCKET, SUBJECT_KEYS_BUCKET, IDEMPOTENCY_BUCKET, OPERATIONS_BUCKET];
const allStreams = [DOMAIN_STREAM, ACCESS_STREAM, DEAD_STREAM, ...buckets.map(bucketStream)];

export const natsNeeds: Record<NatsService, Needs> = {
  auth: {
    publishes: ['sandlot.auth.>'],
    reads: [DOMAIN_STREAM, ACCESS_STREAM, DEAD_STREAM],
    durables: ['auth-key-directory', 'auth-forget'],
    buckets: { [KEYS_BUCKET]: 'writes', [SUBJECT_KEYS_BUCKET]: 'writes' },
  },
  provisioner: {
    publishes: ['sandlot.provisioner.>'],
    hears: [ACTIVITY_SUBJECT], // from the proxies
    reads: [DOMAIN_STREAM, DEAD_STREAM],
    durables: [
      'provisioner-namespace',
      'provisioner-quota',
      'provisioner-network-policy',
      'provisioner-service-account',
      'provisioner-sandbox',
      'provisioner-route',
      'provisioner-lifetime',
      'provisioner-user',
    ],
    buckets: { [ROUTES_BUCKET]: 'writes' },
    calls: ['auth'],
  },
  audit: {
    publishes: ['sandlot.audit.>'],
    reads: [DOMAIN_STREAM, ACCESS_STREAM, DEAD_STREAM],
  },
  gateway: {
    buckets: { [IDEMPOTENCY_BUCKET]: 'writes', [OPERATIONS_BUCKET]: 'reads' },
    calls: ['auth', 'provisioner', 'audit', 'proxy'], // the proxy explains its decisions
  },
  proxy: {
    publishes: ['access.>', ACTIVITY_SUBJECT, LIMITS_SUBJECT],
    hears: [LIMITS_SUBJECT], // what passed in other proxies
    buckets: { [KEYS_BUCKET]: 'reads', [ROUTES_BUCKET]: 'reads' },
    calls: ['provisioner'], // wakes paused sandboxes
  },
  migrator: {
    defines: allStreams,
  },
  backup: {
    reads: [DOMAIN_STREAM],
    buckets: {
      [SUBJECT_KEYS_BUCKET]: 'reads', // which master keys a restored platform will need
      [OPERATIONS_BUCKET]: 'writes', // that there is a backup
    },
    snapshots: [DOMAIN_STREAM, bucketStream(SUBJECT_KEYS_BUCKET), DEAD_STREAM, ACCESS_STREAM],
  },
  restorer: {
    reads: [DOMAIN_STREAM],
    defines: allStreams,
    restores: allStreams,
  },
};

/** A service must set this as its connection's inbox prefix, because it may listen for answers nowhere else. */
export function inboxPrefix(service: NatsService): string {
  return `_INBOX_${service}`;
}

/** The server-side permissions of a service: what `natsNeeds` says, as subjects. */
export function natsPermissions(service: NatsService): NatsPermissions {
  const needs = natsNeeds[service];
  const allow = [
    '$JS.API.INFO',
    ...(needs.publishes ?? []),
    ...(needs.publishes ?? []).filter((subject) => subject.startsWith('sandlot.')).map(() => `$JS.API.STREAM.INFO.${DOMAIN_STREAM}`),
    ...(needs.reads ?? []).flatMap(reading),
    ...(needs.durables ?? []).flatMap(handling),
    ...Object.entries(needs.buckets ?? {}).flatMap(([bucket, use]) => bucketSubjects(bucket, use)),
    ...(needs.calls ?? []).map((callee) => `svc.${callee}.>`),
    ...(needs.defines ?? []).flatMap((stream) => ['CREATE', 'UPDATE', 'INFO'].map((verb) => `$JS.API.STREAM.${verb}.${stream}`)),
    ...(needs.snapshots ?? []).flatMap((stream) => [
      `$JS.API.STREAM.INFO.${stream}`,
      `$JS.API.STREAM.SNAPSHOT.${stream}`,
      `$JS.SNAPSHOT.ACK.${stream}.>`,
    ]),
    ...(needs.restores ?? []).flatMap((stream) => [
      `$JS.API.STREAM.DELETE.${stream}`,
      `$JS.API.STREAM.RESTORE.${stream}`,
      `$JS.SNAPSHOT.RESTORE.${stream}.>`,
    ]),
  ];
  const deny = needs.reads?.includes(DOMAIN_STREAM) ? durablesOfOthers(service).flatMap(touching) : [];
  return {
    publish: { allow: [...new Set(allow)], ...(deny.length > 0 && { deny }) },
    subscribe: { allow: [`${inboxPrefix(service)}.>`, `svc.${service}.>`, ...(needs.hears ?? [])] },
    allow_responses: { max: 100, expires: '2m' }, // Nest answers a stream of values with a message for each
  };
}

function bucketStream(bucket: string): string {
  return `KV_${bucket}`;
}

function reading(stream: string): string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.>`,
    `$JS.API.CONSUMER.CREATE.${stream}`, // the client's form for several filters, without the name
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
    `$JS.FC.${stream}.>`,
    `$JS.FC.*.*.${stream}.>`,
  ];
}

function handling(durable: string): string[] {
  const stream = DOMAIN_STREAM;
  return [
    ...['CREATE', 'INFO', 'DELETE', 'MSG.NEXT', 'PAUSE', 'RESET', 'DURABLE.CREATE'].map(
      (verb) => `$JS.API.CONSUMER.${verb}.${stream}.${durable}`,
    ),
    `$JS.API.CONSUMER.CREATE.${stream}.${durable}.>`,
    `$JS.ACK.${stream}.${durable}.>`,
    `$JS.ACK.*.*.${stream}.${durable}.>`, // the second form, with domain and account, that servers may turn to
    deadSubject(durable),
  ];
}

/** All that changes a durable consumer or takes messages from it. Everybody who reads the stream may look at it. */
function touching(durable: string): string[] {
  return handling(durable).filter((subject) => subject.startsWith('$JS.') && !subject.includes('.INFO.'));
}

function durablesOfOthers(service: NatsService): string[] {
  return services.filter((other) => other !== service).flatMap((other) => natsNeeds[other].durables ?? []);
}

function bucketSubjects(bucket: string, use: 'reads' | 'writes'): string[] {
  return [...reading(bucketStream(bucket)), ...(use === 'writes' ? [`$KV.${bucket}.>`] : [])];
}
