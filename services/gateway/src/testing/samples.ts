import type { AccessEntry, ApiKey, AuditEntry, Sandbox, User } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { alice, type Person } from './gateway-under-test.js';

const at = '2026-01-31T12:00:00.000Z';

export const aUser = ({ userId, username, role }: Person, changes: Partial<User> = {}): User => ({
  id: userId,
  username,
  role,
  status: 'active',
  email: `${username}@example.com`,
  displayName: null,
  createdAt: at,
  updatedAt: at,
  version: 3,
  ...changes,
});

export const aSandbox = (changes: Partial<Sandbox> = {}): Sandbox => ({
  id: newId('sbx'),
  name: 's1',
  owner: alice.userId,
  username: alice.username,
  namespace: 'user-alice',
  state: 'starting',
  reason: null,
  message: null,
  image: 'sandlot/runtime',
  ports: [{ port: 8888 }],
  createdAt: at,
  updatedAt: at,
  version: 1,
  ...changes,
});

export const anApiKey = ({ userId, keyId }: Person, changes: Partial<ApiKey> = {}): ApiKey => ({
  id: keyId,
  userId,
  name: 'laptop',
  lastFour: 'wxyz',
  status: 'active',
  createdAt: at,
  expiresAt: null,
  lastUsedAt: null,
  version: 1,
  ...changes,
});

export const anEntry = (number: number, changes: Partial<AuditEntry> = {}): AuditEntry => ({
  id: `evt_${number}`,
  at,
  actorType: 'user',
  actorId: alice.userId,
  actor: 'alice',
  keyId: alice.keyId,
  ip: '192.0.2.7',
  action: 'sandbox.pause-requested',
  targetType: 'sandbox',
  targetId: 'sbx_1',
  target: 's1',
  outcome: 'done',
  status: null,
  reason: null,
  correlationId: 'req_1',
  position: number,
  data: {},
  ...changes,
});

export const anAccess = (number: number, changes: Partial<AccessEntry> = {}): AccessEntry => ({
  id: `evt_${number}`,
  at,
  endedAt: at,
  kind: 'http',
  method: 'GET',
  path: '/proxy/s1/',
  status: 200,
  code: null,
  reason: null,
  userId: alice.userId,
  username: 'alice',
  keyId: alice.keyId,
  sandboxId: 'sbx_1',
  sandbox: 's1',
  port: 8888,
  ip: '192.0.2.7',
  requestId: `req_${number}`,
  durationMs: 1.5,
  firstByteMs: 1.2,
  heldMs: null,
  woke: null,
  bytesIn: 0,
  bytesOut: 2,
  ...changes,
});
