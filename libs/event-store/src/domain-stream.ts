import { nanos, type NatsConnection } from '@nats-io/transport-node';
import {
  DiscardPolicy,
  jetstreamManager,
  PersistMode,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import {
  ACCESS_STREAM,
  DEAD_STREAM,
  DOMAIN_STREAM,
  DOMAIN_SUBJECTS,
  IDEMPOTENCY_BUCKET,
  KEYS_BUCKET,
  OPERATIONS_BUCKET,
  ROUTES_BUCKET,
  SUBJECT_KEYS_BUCKET,
} from '@sandlot/contracts';

export interface StreamOptions {
  /** Copies of every stream and bucket: 1 or 3. Default 1. An existing stream is never brought down to fewer. */
  replicas?: number;
  /** How long ACCESS keeps what it is told, in days. Default 7. */
  accessDays?: number;
  /** How much ACCESS keeps, in bytes; the oldest goes first. Default 1 GiB. */
  accessBytes?: number;
}

type Wanted = Partial<StreamConfig> & { name: string; subjects: string[] };

const KiB = 1024;
const dayMs = 86_400_000;
const unlimited = { max_age: 0, max_bytes: -1, max_msgs: -1, max_msgs_per_subject: -1 };
const plain = { retention: RetentionPolicy.Limits, storage: StorageType.File, persist_mode: PersistMode.Default, allow_direct: true };

/**
 * Settings of the log under which something may have been lost or changed already, or that nobody may change on a stream that is in use.
 * Such a stream is for an operator to look at.
 */
// prettier-ignore
const neverChanged = [
  'subjects', 'retention', 'storage', 'persist_mode', 'deny_delete', 'deny_purge', 'allow_rollup_hdrs', 'max_age', 'max_msgs',
  'max_msgs_per_subject', 'discard', 'sealed', 'mirror', 'sources', 'subject_transform', 'allow_msg_ttl',
] as const satisfies readonly (keyof StreamConfig)[];
const neverChangedElsewhere = ['subjects', 'retention', 'storage', 'sealed', 'mirror', 'sources'] as const;

export interface StreamPlan {
  readonly name: string;
  readonly action: 'make' | 'change' | 'none';
}
interface Step extends StreamPlan {
  readonly wanted: Wanted;
}

/**
 * Makes every stream and bucket of Sandlot, or brings an existing one up to these settings. Throws, and changes nothing on it, when an
 * existing one differs in what cannot be changed safely. For the identity `migrator` only; all others find them made.
 */
export async function ensureStreams(connection: NatsConnection, options: StreamOptions = {}): Promise<void> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  for (const wanted of streams(options)) await carryOut(manager, await stepTo(manager, wanted));
}

/** What `ensureStreams` would do; throws like it. */
export async function streamPlans(connection: NatsConnection, options: StreamOptions = {}): Promise<StreamPlan[]> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const plans: StreamPlan[] = [];
  for (const wanted of streams(options)) {
    const { name, action } = await stepTo(manager, wanted);
    plans.push({ name, action });
  }
  return plans;
}

function streams({ replicas = 1, accessDays = 7, accessBytes = 1024 ** 3 }: StreamOptions): Wanted[] {
  const all = { ...plain, num_replicas: replicas };
  return [
    {
      ...all,
      ...unlimited,
      name: DOMAIN_STREAM,
      subjects: [DOMAIN_SUBJECTS],
      description: 'Everything that ever happened. Never deleted from.',
      discard: DiscardPolicy.New,
      deny_delete: true,
      deny_purge: true,
      allow_atomic: true,
      max_msg_size: 64 * KiB,
      duplicate_window: nanos(120_000),
    },
    {
      ...all,
      ...unlimited,
      name: ACCESS_STREAM,
      subjects: ['access.>'],
      description: 'What passed through the data plane, for a while.',
      discard: DiscardPolicy.Old,
      max_age: nanos(accessDays * dayMs),
      max_bytes: accessBytes,
      max_msg_size: 1024 * KiB,
    },
    {
      ...all,
      ...unlimited,
      name: DEAD_STREAM,
      subjects: ['dead.>'],
      description: 'What handlers gave up on. What became of it stands in DOMAIN.',
      discard: DiscardPolicy.New,
      deny_delete: true,
      deny_purge: true,
      max_msg_size: 128 * KiB,
    },
    bucket(KEYS_BUCKET, all),
    bucket(ROUTES_BUCKET, all),
    // Read from the leader alone: a follower that lags behind could give out a key that was destroyed.
    { ...bucket(SUBJECT_KEYS_BUCKET, all), allow_direct: false },
    { ...bucket(IDEMPOTENCY_BUCKET, all), max_age: nanos(dayMs), max_msg_size: 1024 * KiB },
    bucket(OPERATIONS_BUCKET, all),
  ];
}

/** What the client's Kvm makes of a bucket with a history of 1. */
function bucket(name: string, all: Partial<StreamConfig>): Wanted {
  return {
    ...all,
    ...unlimited,
    name: `KV_${name}`,
    subjects: [`$KV.${name}.>`],
    discard: DiscardPolicy.New,
    deny_delete: true,
    allow_rollup_hdrs: true,
    max_msgs_per_subject: 1,
    max_msg_size: 64 * KiB,
    duplicate_window: nanos(120_000),
  };
}

async function stepTo(manager: JetStreamManager, wanted: Wanted): Promise<Step> {
  const { name } = wanted;
  const present = await manager.streams.info(name).then(
    ({ config }) => config,
    (error: Error) => {
      if (error.name === 'StreamNotFoundError') return undefined;
      throw error;
    },
  );
  if (!present) return { name, action: 'make', wanted };
  refuseUnsafe(present, wanted);
  const replicated = { ...wanted, num_replicas: Math.max(present.num_replicas, wanted.num_replicas ?? 1) };
  const changes = differences(present, replicated, Object.keys(wanted) as (keyof StreamConfig)[]);
  return { name, action: changes.length > 0 ? 'change' : 'none', wanted: replicated };
}

async function carryOut(manager: JetStreamManager, { name, action, wanted }: Step): Promise<void> {
  if (action === 'make') await manager.streams.add(wanted);
  if (action === 'change') await manager.streams.update(name, wanted);
}

function refuseUnsafe(present: StreamConfig, wanted: Wanted): void {
  const fixed = wanted.name === DOMAIN_STREAM ? neverChanged : neverChangedElsewhere;
  const differing = differences(present, wanted, fixed);
  if (differing.length === 0) return;
  const told = differing.map((name) => `${name} is ${JSON.stringify(present[name])}, not ${JSON.stringify(wanted[name] ?? null)}`);
  throw new Error(`the stream ${wanted.name} exists with settings that are not safe to change: ${told.join('; ')}`);
}

function differences(present: Partial<StreamConfig>, wanted: Partial<StreamConfig>, names: readonly (keyof StreamConfig)[]) {
  const value = (config: Partial<StreamConfig>, name: keyof StreamConfig): string => JSON.stringify(config[name] || absent(name));
  return names.filter((name) => value(present, name) !== value(wanted, name));
}

/** What an absent setting means: the server leaves out what is off. */
function absent(name: keyof StreamConfig): unknown {
  return name === 'persist_mode' ? PersistMode.Default : null;
}
