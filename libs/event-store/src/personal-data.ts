import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { DomainError } from '@sandlot/kernel';
import type { MasterKey } from './master-key.js';
import type { SubjectKeys } from './subject-keys.js';

export interface PersonalDataOptions {
  /** How long a key is used from memory, in ms; so long may a user be readable in another process after `forget`. Default 3,000. */
  keyTtlMs?: number;
  /** How many keys are kept in memory. Default 10,000. */
  cachedKeys?: number;
  /**
   * Reads the master keys again: when a data key is under one that is not known, and before data keys are wrapped anew. So a process need not be
   * restarted before others use a new master key. Default: those that were given stay.
   */
  reload?: () => Promise<readonly MasterKey[]>;
}

/** What the bucket has for a user: the data key, encrypted under a master key. */
const Wrapped = z.object({ master: z.string(), key: z.string() });

export interface RewrapResult {
  /** Id of the newest master key. */
  readonly masterKey: string;
  readonly looked: number;
  readonly rewrapped: number;
  readonly next: string | null;
}

interface DataKey {
  readonly encryption: Buffer;
  readonly nonce: Buffer;
}

const destroyed = Symbol('destroyed');

/**
 * Personal data as it may stand in the log: AES-256-GCM under a key of the user's own, which lives outside the log. Destroying that key
 * makes everything that was sealed under it unreadable, wherever it has been copied to.
 * Sealing is deterministic, so that a repeated command writes the same bytes: who has the log can see that a user's field has the same
 * value again, and how long it is.
 */
export class PersonalData {
  private readonly cache: LRUCache<string, DataKey | typeof destroyed>;
  private newest!: MasterKey;
  private masters!: ReadonlyMap<string, MasterKey>;
  private readonly reload: () => Promise<readonly MasterKey[]>;

  /** @param masters the newest first: it wraps, all of them unwrap */
  constructor(
    private readonly keys: SubjectKeys,
    masters: readonly MasterKey[],
    { keyTtlMs = 3_000, cachedKeys = 10_000, reload = () => Promise.resolve(masters) }: PersonalDataOptions = {},
  ) {
    this.take(masters);
    this.reload = reload;
    this.cache = new LRUCache({ max: cachedKeys, ttl: keyTtlMs });
  }

  /** Throws DomainError USER_DELETED when the user is forgotten. */
  async seal(userId: string, field: string, text: string): Promise<string> {
    const key = (await this.keyOf(userId)) ?? (await this.newKey(userId));
    if (key === destroyed) throw new DomainError('USER_DELETED', 'the user is forgotten; nothing more can be kept about them');
    const plain = Buffer.from(text);
    const aad = additional(userId, field);
    const nonce = createHmac('sha256', key.nonce).update(aad).update('\n').update(plain).digest().subarray(0, 12);
    return `s1.${encrypt(key.encryption, nonce, aad, plain).toString('base64url')}`;
  }

  /**
   * The text, or undefined when the user is forgotten. Throws DomainError LOG_DAMAGED when it was not sealed for this user and field, was
   * changed, or when the key is missing without having been destroyed.
   */
  async open(userId: string, field: string, sealed: string): Promise<string | undefined> {
    const key = await this.keyOf(userId);
    if (key === destroyed) return undefined;
    if (!key) throw new DomainError('LOG_DAMAGED', `the key of the personal data of ${userId} is missing`, { userId });
    if (!/^s1\.[A-Za-z0-9_-]+$/.test(sealed)) throw unreadable(userId, field);
    try {
      return decrypt(key.encryption, Buffer.from(sealed.slice(3), 'base64url'), additional(userId, field)).toString('utf8');
    } catch (cause) {
      throw unreadable(userId, field, cause);
    }
  }

  /** Destroys the user's key. At once in this process, within `keyTtlMs` in all others; nothing can be sealed for this user again. */
  async forget(userId: string): Promise<void> {
    await this.keys.destroy(userId);
    this.cache.set(userId, destroyed);
  }

  /**
   * Wraps keys that an older master key holds with the newest, in the order of user ids, behind `after` (default: from the first) and at most
   * `limit` of them (default: all). May run while others seal and forget, and be repeated. `next` is the `after` of the next call.
   */
  async rewrap({ after = '', limit = Infinity }: { after?: string | undefined; limit?: number } = {}): Promise<RewrapResult> {
    this.take(await this.reload());
    const behind = (await this.keys.userIds()).filter((userId) => userId > after).sort();
    const users = behind.slice(0, limit);
    let rewrapped = 0;
    for (const userId of users) if (await this.rewrapOne(userId)) rewrapped += 1;
    return { masterKey: this.newest.id, looked: users.length, rewrapped, next: users.length < behind.length ? users.at(-1)! : null };
  }

  private async rewrapOne(userId: string): Promise<boolean> {
    for (;;) {
      const kept = await this.keys.get(userId);
      if (kept?.status !== 'kept') return false;
      const { master, dataKey } = await this.unwrap(userId, kept.value);
      if (master === this.newest.id) return false;
      if (await this.keys.put(userId, this.wrap(userId, dataKey), kept.revision)) return true; // else somebody else was at it
    }
  }

  private take(masters: readonly MasterKey[]): void {
    if (!masters[0]) throw new RangeError('personal data needs a master key');
    this.newest = masters[0];
    this.masters = new Map(masters.map((master) => [master.id, master]));
  }

  private async keyOf(userId: string): Promise<DataKey | typeof destroyed | undefined> {
    const cached = this.cache.get(userId);
    if (cached) return cached;
    const kept = await this.keys.get(userId);
    if (!kept) return undefined;
    if (this.cache.peek(userId) === destroyed) return destroyed; // forgotten while we asked
    const key = kept.status === 'destroyed' ? destroyed : derive((await this.unwrap(userId, kept.value)).dataKey);
    this.cache.set(userId, key);
    return key;
  }

  /**
   * Of two that make the first key of a user at once, both get the one that was stored. On three replicas the loser may be refused before
   * the winner's can be read.
   */
  private async newKey(userId: string): Promise<DataKey | typeof destroyed> {
    const wrapped = this.wrap(userId, randomBytes(32));
    for (let look = 1; look <= 50; look += 1) {
      await this.keys.put(userId, wrapped, 0);
      const key = await this.keyOf(userId);
      if (key) return key;
      await pause(20);
    }
    throw new DomainError('UNAVAILABLE', 'the key of the personal data was stored but is not there');
  }

  private wrap(userId: string, dataKey: Buffer): Buffer {
    const key = encrypt(this.newest.key, randomBytes(12), additional(userId, 'data key'), dataKey).toString('base64url');
    return Buffer.from(JSON.stringify({ master: this.newest.id, key } satisfies z.infer<typeof Wrapped>));
  }

  private async unwrap(userId: string, value: Uint8Array): Promise<{ master: string; dataKey: Buffer }> {
    const { master, key } = Wrapped.parse(JSON.parse(Buffer.from(value).toString('utf8')));
    if (!this.masters.has(master)) this.take(await this.reload());
    const known = this.masters.get(master);
    if (!known) throw new DomainError('UNAVAILABLE', `the personal data of ${userId} is under the master key ${master}, which is not here`);
    return { master, dataKey: decrypt(known.key, Buffer.from(key, 'base64url'), additional(userId, 'data key')) };
  }
}

function derive(dataKey: Buffer): DataKey {
  const part = (purpose: string): Buffer => Buffer.from(hkdfSync('sha256', dataKey, '', `sandlot personal data ${purpose}`, 32));
  return { encryption: part('encryption'), nonce: part('nonce') };
}

/** What the ciphertext is bound to: it opens for no other user and in no other place. */
function additional(userId: string, field: string): Buffer {
  return Buffer.from(JSON.stringify([userId, field]));
}

function encrypt(key: Buffer, nonce: Buffer, aad: Buffer, plain: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Buffer, sealed: Buffer, aad: Buffer): Buffer {
  if (sealed.length < 28) throw new RangeError('too short to be sealed');
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 }).setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
}

function unreadable(userId: string, field: string, cause?: unknown): DomainError {
  return new DomainError('LOG_DAMAGED', `the ${field} of ${userId} was not sealed for it, or was changed`, { userId, field }, { cause });
}
