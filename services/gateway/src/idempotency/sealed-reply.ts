import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** Which request an Idempotency-Key names: the same key of somebody else, or on another route, is another. */
export interface RequestScope {
  readonly userId: string;
  readonly method: string;
  /** Canonical, without the query. */
  readonly path: string;
  readonly key: string;
}

const nonceBytes = 12;
const tagBytes = 16;

/**
 * What is kept of one request at rest. A reply may hold an API key, and a body's hash would tell a body that can be guessed; so the reply
 * is sealed (AES-256-GCM) and the hash keyed, under keys that need both the deployment's secret and the Idempotency-Key, which is itself
 * kept nowhere.
 */
export class ReplyVault {
  /** Under which the record is kept; tells nothing of the scope. */
  readonly recordKey: string;
  private readonly sealingKey: Buffer;
  private readonly hashingKey: Buffer;

  constructor(secret: string, { userId, method, path, key }: RequestScope) {
    const scope = JSON.stringify([userId, method, path, key]);
    const keys = Buffer.from(hkdfSync('sha256', secret, '', `sandlot idempotency ${digest(scope)}`, 64));
    this.recordKey = digest(`record ${scope}`);
    this.sealingKey = keys.subarray(0, 32);
    this.hashingKey = keys.subarray(32);
  }

  /** The same for every way to write the same JSON. */
  fingerprint(body: unknown): string {
    return createHmac('sha256', this.hashingKey).update(canonicalJson(body)).digest('hex');
  }

  seal(reply: unknown): string {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.sealingKey, nonce);
    const sealed = Buffer.concat([cipher.update(JSON.stringify(reply), 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /** Throws when the reply was sealed under another key or changed since. */
  open(text: string): unknown {
    const bytes = Buffer.from(text, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', this.sealingKey, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
    decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    const opened = Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]);
    return JSON.parse(opened.toString('utf8'));
  }
}

function canonicalJson(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner: unknown) => {
      if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
      return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? ''
  );
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
