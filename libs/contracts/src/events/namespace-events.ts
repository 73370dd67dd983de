import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';
import { UserIdSchema } from '../names.js';
import { Quota } from './ledger-events.js';

export const NamespaceRequested = defineEvent(
  'namespace.requested.v1',
  z.object({ owner: UserIdSchema, username: z.string(), name: z.string().describe('user-<username>') }),
);
export const NamespaceDeletionRequested = defineEvent('namespace.deletion-requested.v1', z.object({}));

// What the runtime was seen to do.
export const NamespaceProvisioned = defineEvent('namespace.provisioned.v1', z.object({ uid: z.string() }));
export const NamespaceProvisioningFailed = defineEvent(
  'namespace.provisioning-failed.v1',
  z.object({ reason: z.string(), message: z.string() }),
);
export const NamespaceQuotaApplied = defineEvent('namespace.quota-applied.v1', z.object({ quota: Quota }));
export const NamespaceDeleted = defineEvent('namespace.deleted.v1', z.object({}));

export type NamespaceEvent =
  | EventOf<typeof NamespaceRequested>
  | EventOf<typeof NamespaceDeletionRequested>
  | EventOf<typeof NamespaceProvisioned>
  | EventOf<typeof NamespaceProvisioningFailed>
  | EventOf<typeof NamespaceQuotaApplied>
  | EventOf<typeof NamespaceDeleted>;
