import type { NatsConnection } from '@nats-io/transport-node';
import { jetstream, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import { DOMAIN_STREAM, hashEvent, linkOf } from '@sandlot/contracts';
import { headersOf } from './delivered.js';

export type Verdict =
  | { readonly ok: true; readonly upTo: number }
  /** `at` is the first position at which the log is not what it must be. */
  | { readonly ok: false; readonly at: number; readonly problem: string };

export interface VerifyOptions {
  /** Progress is told every so many events. Default 100,000. */
  progressEvery?: number;
  /** How long no event may come, in ms, before the next one counts as missing. Default 10,000. */
  patienceMs?: number;
}

interface Seen {
  version: number;
  hash: string;
}

/**
 * Reads the log from its first event to what is its end now, and checks that no position is missing, and that each aggregate's versions
 * follow each other and carry each other's hashes. The last event of an aggregate is only vouched for by the next; a projection's
 * checkpoint holds its hash. Holds a version and a hash per aggregate in memory: about 250 bytes each.
 * Yields how far it has come; the verdict is the generator's return value.
 */
export async function* verifyLog(
  connection: NatsConnection,
  { progressEvery = 100_000, patienceMs = 10_000 }: VerifyOptions = {},
): AsyncGenerator<{ position: number; upTo: number }, Verdict> {
  const js = jetstream(connection);
  const { state } = await (await js.jetstreamManager(false)).streams.info(DOMAIN_STREAM);
  const upTo = state.last_seq;
  if (upTo === 0) return { ok: true, upTo };
  const aggregates = new Map<string, Seen>();
  let position = 0;
  const messages = await (await js.consumers.get(DOMAIN_STREAM)).consume({ max_messages: 10_000 });
  const patience = setInterval(
    stopWhenStuck(messages, () => position),
    patienceMs,
  );
  try {
    for await (const message of messages) {
      const problem = message.seq === position + 1 ? problemWith(message, aggregates) : 'missing';
      if (problem) return { ok: false, at: position + 1, problem };
      position = message.seq;
      if (position >= upTo) return { ok: true, upTo };
      if (position % progressEvery === 0) yield { position, upTo };
    }
    return { ok: false, at: position + 1, problem: 'missing' };
  } finally {
    clearInterval(patience);
    messages.stop();
  }
}

/** The verdict, for who does not want to watch. */
export async function verifiedLog(connection: NatsConnection, options?: VerifyOptions): Promise<Verdict> {
  const verification = verifyLog(connection, options);
  for (;;) {
    const step = await verification.next();
    if (step.done) return step.value;
  }
}

/** An unreadable last event is silently left out by the server, so its absence shows only by nothing coming any more. */
function stopWhenStuck(messages: ConsumerMessages, position: () => number): () => void {
  let before = -1;
  return () => {
    if (position() === before) messages.stop();
    before = position();
  };
}

function problemWith(message: JsMsg, aggregates: Map<string, Seen>): string | undefined {
  const { subject, data } = message;
  const headers = headersOf(message);
  const { version: told, previousHash } = linkOf(headers);
  const version = Number(told);
  const before = aggregates.get(subject);
  if (version !== (before?.version ?? 0) + 1) return `${subject} goes from version ${before?.version ?? 0} to ${told ?? 'none'}`;
  if ((previousHash ?? '') !== (before?.hash ?? '')) return `${subject} version ${version} carries another hash than its predecessor has`;
  const hash = hashEvent(subject, headers, data);
  if (before) Object.assign(before, { version, hash });
  else aggregates.set(subject, { version, hash });
  return undefined;
}
