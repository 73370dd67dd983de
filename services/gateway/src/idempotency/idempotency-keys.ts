import { setTimeout as pause } from 'node:timers/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { DomainError, idPattern, newId, systemClock, type Clock, type CommandId } from '@sandlot/kernel';
import { z } from 'zod';
import { ReplyVault, type RequestScope } from './sealed-reply.js';

/** Of a request that is under way: how long its repetition is told to wait, in ms, before it takes the request over. */
const busyMs = 30_000;

const IdempotencyRecord = z.object({
  commandId: z.string().regex(idPattern('cmd')) as unknown as z.ZodType<CommandId, string>,
  fingerprint: z.string(),
  state: z.discriminatedUnion('is', [
    /** Under way until then (ms since 1970); whoever carried it is gone after that. */
    z.object({ is: z.literal('busy'), until: z.number() }),
    /** It ended without an outcome, so a repetition tries again. */
    z.object({ is: z.literal('open') }),
    z.object({ is: z.literal('answered'), reply: z.string() }),
  ]),
});
type IdempotencyRecord = z.infer<typeof IdempotencyRecord>;

export interface Turn {
  /** The same for every repetition of the request, so that it takes effect once. */
  readonly commandId: CommandId;
  /** Keeps the reply for repetitions. */
  answered(reply: unknown): Promise<void>;
  /** The outcome is not known or may be another next time: a repetition goes on with the same command. */
  open(): Promise<void>;
  /** Nothing has been tried: the key is as if it had never been used. */
  unused(): Promise<void>;
}

/** Either it is this request's turn, or the reply that the first one got. */
export type Admission = { readonly turn: Turn } | { readonly reply: unknown };

/**
 * Requests that carry an Idempotency-Key, in the bucket `idempotency`, which forgets them after 24 h. A request is written down with its
 * command's id before anything is done, so that its repetition, here or at another instance, after a crash as well, is the same command.
 */
export class IdempotencyKeys {
  constructor(
    private readonly bucket: KV,
    private readonly secret: string,
    private readonly clock: Clock = systemClock,
  ) {}

  /**
   * @param patienceMs how much longer than usual the request may take
   * @throws IDEMPOTENCY_KEY_REUSED for another body, REQUEST_IN_PROGRESS while the first is under way
   */
  async admit(scope: RequestScope, body: unknown, patienceMs = 0): Promise<Admission> {
    const vault = new ReplyVault(this.secret, scope);
    const fingerprint = vault.fingerprint(body);
    for (let attempt = 0; attempt < 5; attempt += 1, await pause(10)) {
      const known = await this.find(vault.recordKey);
      if (known && known.record.fingerprint !== fingerprint) throw reused();
      if (known?.record.state.is === 'answered') return { reply: vault.open(known.record.state.reply) };
      const now = this.clock.now().getTime();
      if (known?.record.state.is === 'busy' && now < known.record.state.until) break;
      const commandId = known?.record.commandId ?? newId('cmd', this.clock.now());
      const record: IdempotencyRecord = { commandId, fingerprint, state: { is: 'busy', until: now + busyMs + patienceMs } };
      const revision = await this.write(vault.recordKey, record, known?.revision);
      if (revision !== undefined) return { turn: this.turn(vault, record, revision) };
    }
    throw new DomainError('REQUEST_IN_PROGRESS', 'A request with this Idempotency-Key is under way.', { retryAfterSeconds: 1 });
  }

  private turn(vault: ReplyVault, record: IdempotencyRecord, revision: number): Turn {
    const end = async (state: IdempotencyRecord['state']) => void (await this.write(vault.recordKey, { ...record, state }, revision));
    return {
      commandId: record.commandId,
      answered: (reply) => end({ is: 'answered', reply: vault.seal(reply) }),
      open: () => end({ is: 'open' }),
      unused: () => this.bucket.delete(vault.recordKey, { previousSeq: revision }),
    };
  }

  private async find(key: string): Promise<{ record: IdempotencyRecord; revision: number } | undefined> {
    const entry = await this.bucket.get(key).catch(unavailable);
    if (!entry || entry.operation !== 'PUT') return undefined;
    return { record: IdempotencyRecord.parse(entry.json()), revision: entry.revision };
  }

  /** The new revision; undefined when somebody else was faster. */
  private async write(key: string, record: IdempotencyRecord, replacing: number | undefined): Promise<number | undefined> {
    const value = JSON.stringify(record);
    try {
      return await (replacing === undefined ? this.bucket.create(key, value) : this.bucket.update(key, value, replacing));
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === wrongLastSequence) return undefined;
      return unavailable(error);
    }
  }
}

const wrongLastSequence = 10071;

const reused = (): DomainError =>
  new DomainError('IDEMPOTENCY_KEY_REUSED', 'This Idempotency-Key came with another body before; a new request needs a new key.');

function unavailable(cause: unknown): never {
  throw new DomainError('UNAVAILABLE', 'Idempotency-Keys cannot be kept at the moment.', {}, { cause });
}
