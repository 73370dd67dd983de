import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';
import { UserIdSchema } from '../names.js';
import { Quota } from './ledger-events.js';

/** What a namespace has besides being there, each with a reconciler of its own. */
export const NamespaceConcernName = z.enum(['quota', 'network-policy', 'service-account']);
export type NamespaceConcernName = z.infer<typeof NamespaceConcernName>;

/** What leaves a sandbox: to the public internet and the cluster's DNS, nothing, or only through the egress gateway. */
export const Egress = z.enum(['internet', 'none', 'gateway']);
export type Egress = z.infer<typeof Egress>;

export const NamespaceRequested = defineEvent(
  'namespace.requested.v1',
  z.object({ owner: UserIdSchema, username: z.string(), name: z.string().describe('user-<username>') }),
);
export const NamespaceDeletionRequested = defineEvent('namespace.deletion-requested.v1', z.object({}));
/** An administrator has handed over a namespace that Sandlot did not make. */
export const NamespaceAdopted = defineEvent('namespace.adopted.v1', z.object({ uid: z.string() }));

// What the runtime was seen to do.
export const NamespaceProvisioned = defineEvent('namespace.provisioned.v1', z.object({ uid: z.string() }));
export const NamespaceProvisioningFailed = defineEvent(
  'namespace.provisioning-failed.v1',
  z.object({
    reason: z.string(),
    message: z.string(),
    concern: NamespaceConcernName.optional().describe('what of it; without, the namespace itself'),
  }),
);
export const NamespaceQuotaApplied = defineEvent('namespace.quota-applied.v1', z.object({ quota: Quota }));
export const NamespaceNetworkPolicyApplied = defineEvent('namespace.network-policy-applied.v1', z.object({ egress: Egress }));
export const NamespaceServiceAccountApplied = defineEvent(
  'namespace.service-account-applied.v1',
  z.object({ annotations: z.record(z.string(), z.string()).describe('by which the cluster gives it an identity of its own') }),
);
/** Somebody changed something of ours by hand. Told before it is put back, so that no crash can lose it; that it is in place again is told by what tells that it is in place. */
export const NamespaceDriftRepaired = defineEvent(
  'namespace.drift-repaired.v1',
  z.object({
    concern: NamespaceConcernName.or(z.literal('namespace')),
    object: z.string().describe('kind/name'),
    differences: z
      .array(
        z.object({
          path: z.string().describe('empty for the object as a whole'),
          found: z.string().optional().describe('JSON, cut at 500 characters; absent when there was nothing'),
          wanted: z.string().optional().describe('JSON, cut at 500 characters'),
        }),
      )
      .max(50),
    fieldManager: z.string().optional().describe('who the cluster says changed it'),
  }),
);
export const NamespaceDeleted = defineEvent('namespace.deleted.v1', z.object({}));

export type NamespaceEvent =
  | EventOf<typeof NamespaceRequested>
  | EventOf<typeof NamespaceDeletionRequested>
  | EventOf<typeof NamespaceProvisioned>
  | EventOf<typeof NamespaceProvisioningFailed>
  | EventOf<typeof NamespaceQuotaApplied>
  | EventOf<typeof NamespaceNetworkPolicyApplied>
  | EventOf<typeof NamespaceServiceAccountApplied>
  | EventOf<typeof NamespaceDriftRepaired>
  | EventOf<typeof NamespaceAdopted>
  | EventOf<typeof NamespaceDeleted>;
