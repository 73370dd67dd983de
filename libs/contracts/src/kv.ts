import { z } from 'zod';
import { KeyIdSchema, SandboxIdSchema, Timestamp, UserIdSchema } from './names.js';

// What the proxies answer from. Written by the one service that owns the bucket, read by direct get and watch.

export const KEYS_BUCKET = 'keys';
export const ROUTES_BUCKET = 'routes';
export const SUBJECT_KEYS_BUCKET = 'subject-keys';
export const IDEMPOTENCY_BUCKET = 'idempotency';

/** In `keys` under `k.<SHA-256 of the key>`. A revoked key stays, so that its use can be told to its holder's trail. */
export const KeyRecord = z.object({
  keyId: KeyIdSchema,
  userId: UserIdSchema,
  status: z.enum(['active', 'revoked']),
  expiresAt: Timestamp.nullable(),
});
export type KeyRecord = z.infer<typeof KeyRecord>;
export const keyRecordKey = (hash: string): string => `k.${hash}`;

/** In `keys` under `u.<user id>`: one write takes all keys of a user out of use. */
export const UserRecord = z.object({
  userId: UserIdSchema,
  username: z.string(),
  role: z.enum(['admin', 'user']),
  status: z.enum(['active', 'disabled', 'deleted']),
});
export type UserRecord = z.infer<typeof UserRecord>;
export const userRecordKey = (userId: string): string => `u.${userId}`;

export const SandboxState = z.enum(['starting', 'running', 'pausing', 'paused', 'resuming', 'failed', 'deleting', 'deleted']);
export type SandboxState = z.infer<typeof SandboxState>;

/** In `routes` under `<username>.<sandbox name>`. */
export const RouteRecord = z.object({
  sandboxId: SandboxIdSchema,
  owner: UserIdSchema,
  username: z.string(),
  name: z.string(),
  state: SandboxState,
  ports: z
    .array(z.object({ name: z.string().optional(), port: z.int(), address: z.string() }))
    .describe('the first is the default; empty while there is nothing to dial'),
  reason: z.string().optional(),
});
export type RouteRecord = z.infer<typeof RouteRecord>;
export const routeKey = (username: string, sandbox: string): string => `${username}.${sandbox}`;
