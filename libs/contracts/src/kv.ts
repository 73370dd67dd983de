import { z } from 'zod';
import { PortProtocol } from './events/sandbox-spec.js';
import { UserLimits } from './http/limits.js';
import { KeyIdSchema, PreviewIdSchema, SandboxIdSchema, Timestamp, UserIdSchema } from './names.js';

// What the proxies answer from. Written by the one service that owns the bucket, read by direct get and watch.

export const KEYS_BUCKET = 'keys';
export const ROUTES_BUCKET = 'routes';
export const SUBJECT_KEYS_BUCKET = 'subject-keys';
export const IDEMPOTENCY_BUCKET = 'idempotency';
export const OPERATIONS_BUCKET = 'operations';

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
  limits: UserLimits.optional().describe('what is not as for everybody'),
});
export type UserRecord = z.infer<typeof UserRecord>;
export const userRecordKey = (userId: string): string => `u.${userId}`;

/** In `keys` under `n.<username>`: whose the name is. It outlives its user, for names are never given out again. */
export const UsernameRecord = z.object({ userId: UserIdSchema });
export type UsernameRecord = z.infer<typeof UsernameRecord>;
export const usernameRecordKey = (username: string): string => `n.${username}`;

export const SandboxState = z.enum(['starting', 'running', 'pausing', 'paused', 'resuming', 'failed', 'deleting', 'deleted']);
export type SandboxState = z.infer<typeof SandboxState>;

/** A preview that is open: until when, at which port, and whether its link is needed. */
export const RoutePreview = z.object({ id: PreviewIdSchema, port: z.int(), public: z.boolean(), expiresAt: Timestamp });
export type RoutePreview = z.infer<typeof RoutePreview>;

/** In `routes` under `<username>.<sandbox name>`. */
export const RouteRecord = z.object({
  sandboxId: SandboxIdSchema,
  owner: UserIdSchema,
  username: z.string(),
  name: z.string(),
  state: SandboxState,
  ports: z
    .array(z.object({ name: z.string().optional(), port: z.int(), address: z.string(), protocol: PortProtocol.optional() }))
    .describe('the first is the default; empty while there is nothing to dial'),
  reason: z.string().optional().describe('why it failed; of one that is deleted or about to be, which of its limits ended it'),
  idleTimeoutSeconds: z.int().optional().describe('it has a limit of idle time: the proxies say when it is used'),
  previews: z.array(RoutePreview).optional(),
});
export type RouteRecord = z.infer<typeof RouteRecord>;
export const routeKey = (username: string, sandbox: string): string => `${username}.${sandbox}`;
/** Older proxies named the service of sandbox `x` `sandbox-x`, and clients use that name in paths. */
export const SERVICE_PREFIX = 'sandbox-';

/**
 * In `routes` under `d.<user>.<name>`, where `d` is too short for a username: a Sandbox object that somebody else made. It has a key of its
 * own, so that it can never take the place of a user's sandbox of that name, which comes first.
 */
export const DiscoveredRoute = z.object({
  uid: z.string(),
  namespace: z.string(),
  username: z.string(),
  name: z.string(),
  state: SandboxState.extract(['starting', 'running', 'paused']),
  ports: RouteRecord.shape.ports,
  shared: z.boolean().describe('every user may reach it'),
});
export type DiscoveredRoute = z.infer<typeof DiscoveredRoute>;
export const discoveredRoutes = 'd.';
export const discoveredRouteKey = (username: string, sandbox: string): string => `${discoveredRoutes}${username}.${sandbox}`;

/** Whom a discovered sandbox belongs to that names nobody. Reserved: no user has this name. */
export const DEFAULT_USER = 'default';

/** In `operations` under `backup.last`: the newest backup that was read back whole. Written by `sandlot-admin`, and lost with the platform. */
export const BackupRecord = z.object({
  id: z.string().describe('as `sandlot-admin backup list` has it'),
  at: Timestamp.describe('when it was whole and checked'),
  events: z.int().describe('how far into the log it reaches'),
  bytes: z.int(),
  durationMs: z.int(),
  target: z.enum(['folder', 's3']),
  logChecked: z.boolean().describe('whether every hash of the log was checked with it'),
});
export type BackupRecord = z.infer<typeof BackupRecord>;
export const lastBackupKey = 'backup.last';

/** In `operations` under `backup.history`: how backups have gone. */
export const BackupHistory = z.object({
  successes: z.int(),
  failures: z.int(),
  lastFailure: z.object({ at: Timestamp, message: z.string() }).nullable(),
});
export type BackupHistory = z.infer<typeof BackupHistory>;
export const backupHistoryKey = 'backup.history';
