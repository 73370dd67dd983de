import { createLocalJWKSet, errors, type CryptoKey, type JSONWebKeySet, type JWTHeaderParameters, type LocalJWKSet } from 'jose';
import { z } from 'zod';
import { DirectoryUnavailable } from '../directory.js';
import type { IssuerKeys } from '../tokens.js';

export interface JwksOptions {
  url: string;
  /** Milliseconds between two fetches at least, whatever tokens ask for. Default 30,000. */
  cooldownMs?: number;
  /** Milliseconds after which keys in use are fetched again. Default 600,000. */
  refreshMs?: number;
  /** Milliseconds for which the last good keys count while no newer ones can be had. Default 86,400,000. */
  keepMs?: number;
  /** Milliseconds for one fetch. Default 5000. */
  timeoutMs?: number;
  now?: () => number;
  onProblem?: (problem: unknown) => void;
}

const MAX_BYTES = 64 * 1024;
const MIN_RSA_BITS = 2048;

const PublicKey = z.object({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  kid: z.string().optional(),
  alg: z.string().optional(),
  use: z.literal('sig').optional(),
  key_ops: z.array(z.string()).optional(),
  crv: z.string().optional(),
  n: z.string().optional(),
  e: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
});
const KeySet = z.object({ keys: z.array(z.unknown()).max(100) });

/**
 * The public keys of an issuer (RFC 7517), fetched when they are first needed, again every ten minutes while they are used, and when a
 * token names a key that is not among them; never more often than the cooldown allows, and once for however many wait. While the issuer is
 * away the last good ones count for a day.
 */
export class Jwks implements IssuerKeys {
  generation = 0;
  /** How often they were fetched, and how often that failed. */
  readonly fetches = { ok: 0, failed: 0 };
  private readonly options: Required<JwksOptions>;
  private found: LocalJWKSet | undefined;
  private text = '';
  private fetchedAt = -Infinity;
  private triedAt = -Infinity;
  private fetching: Promise<void> | undefined;

  constructor(options: JwksOptions) {
    const defaults = { cooldownMs: 30_000, refreshMs: 600_000, keepMs: 86_400_000, timeoutMs: 5000 };
    this.options = { ...defaults, now: Date.now, onProblem: () => undefined, ...options };
  }

  async find(header: JWTHeaderParameters): Promise<CryptoKey | undefined> {
    this.touch();
    if (!this.known) await this.fetch();
    const key = await this.among(header);
    if (key || !(await this.fetch())) return key;
    return this.among(header);
  }

  touch(): void {
    if (this.options.now() - this.fetchedAt > this.options.refreshMs) void this.fetch();
    if (this.found && !this.known) this.forget();
  }

  private get known(): boolean {
    return this.found !== undefined && this.options.now() - this.fetchedAt <= this.options.keepMs;
  }

  private forget(): void {
    this.found = undefined;
    this.text = '';
    this.generation++;
  }

  private async among(header: JWTHeaderParameters): Promise<CryptoKey | undefined> {
    if (!this.found || !this.known) throw new DirectoryUnavailable('the keys of the issuer are not known');
    try {
      return await this.found(header);
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof DOMException) return undefined; // none, or several, or one that is none
      throw error;
    }
  }

  /** @returns whether the keys were fetched, successfully or not, rather than left alone because they have just been */
  private async fetch(): Promise<boolean> {
    const now = this.options.now();
    if (!this.fetching && now - this.triedAt < this.options.cooldownMs) return false;
    this.triedAt = now;
    this.fetching ??= this.fetchNow()
      .then(() => void this.fetches.ok++)
      .catch((problem: unknown) => {
        this.fetches.failed++;
        this.options.onProblem(problem);
      })
      .finally(() => (this.fetching = undefined));
    await this.fetching;
    return true;
  }

  private async fetchNow(): Promise<void> {
    const { url, timeoutMs, now } = this.options;
    const response = await fetch(url, {
      redirect: 'error',
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    const jwks = usableKeys(await textOf(response));
    if (jwks.keys.length === 0) throw new Error(`${url} has no key that may be used: RSA of ${MIN_RSA_BITS} bits and up, EC or OKP`);
    const text = JSON.stringify(jwks);
    this.fetchedAt = now();
    if (text === this.text) return;
    this.text = text;
    this.found = createLocalJWKSet(jwks);
    this.generation++;
  }
}

/** The keys that may verify signatures; nothing else that stands there is looked at. */
function usableKeys(text: string): JSONWebKeySet {
  const keys = KeySet.parse(JSON.parse(text)).keys.flatMap((each) => PublicKey.safeParse(each).data ?? []);
  return { keys: keys.filter(({ kty, n }) => kty !== 'RSA' || bitsOf(n ?? '') >= MIN_RSA_BITS) as JSONWebKeySet['keys'] };
}

function bitsOf(modulus: string): number {
  const bytes = Buffer.from(modulus, 'base64url');
  const first = bytes.findIndex((byte) => byte > 0);
  return first < 0 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first]!) + 24;
}

async function textOf(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body ?? []) {
    length += piece.length;
    if (length > MAX_BYTES) throw new Error(`the key set is larger than ${MAX_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}
