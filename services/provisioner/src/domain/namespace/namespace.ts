import { unreachable, type Decider, type UserId } from '@sandlot/kernel';
import {
  NamespaceDeleted,
  NamespaceDeletionRequested,
  NamespaceProvisioned,
  NamespaceProvisioningFailed,
  NamespaceQuotaApplied,
  NamespaceRequested,
  sameQuota,
  type NamespaceEvent,
  type Quota,
} from '@sandlot/contracts';

/** A user's namespace: one for all of their sandboxes, made with the first and gone with the user. */
export type Namespace =
  | { status: 'absent' }
  | {
      status: 'live' | 'deleting' | 'deleted';
      owner: UserId;
      username: string;
      name: string;
      /** The runtime's own id of it, once it was seen. */
      uid?: string;
      failure?: { reason: string; message: string };
      appliedQuota?: Quota;
    };

/** What the runtime says of a namespace. */
export type NamespaceReport = { phase: 'present'; uid: string } | { phase: 'gone' } | { phase: 'failed'; reason: string; message: string };

export type NamespaceCommand =
  | { type: 'RequestNamespace'; owner: UserId; username: string; name: string }
  | { type: 'DeleteNamespace' }
  | { type: 'ReportNamespace'; seen: NamespaceReport }
  | { type: 'ReportQuota'; quota: Quota };

export const namespaceDecider: Decider<Namespace, NamespaceCommand, NamespaceEvent> = {
  initialState: { status: 'absent' },
  decide,
  evolve,
};

export function decide(command: NamespaceCommand, namespace: Namespace): NamespaceEvent[] {
  switch (command.type) {
    case 'RequestNamespace':
      return namespace.status === 'absent'
        ? [NamespaceRequested({ owner: command.owner, username: command.username, name: command.name })]
        : [];
    case 'DeleteNamespace':
      return namespace.status === 'live' ? [NamespaceDeletionRequested({})] : [];
    case 'ReportNamespace':
      return report(command.seen, namespace);
    case 'ReportQuota':
      return namespace.status === 'live' && !sameQuota(command.quota, namespace.appliedQuota)
        ? [NamespaceQuotaApplied({ quota: command.quota })]
        : [];
    default:
      return unreachable(command);
  }
}

function report(seen: NamespaceReport, namespace: Namespace): NamespaceEvent[] {
  if (namespace.status === 'absent' || namespace.status === 'deleted') return [];
  switch (seen.phase) {
    case 'present':
      return namespace.status === 'deleting' || (namespace.uid === seen.uid && !namespace.failure)
        ? []
        : [NamespaceProvisioned({ uid: seen.uid })];
    case 'gone':
      return namespace.status === 'deleting' ? [NamespaceDeleted({})] : [];
    case 'failed':
      return namespace.failure?.reason === seen.reason ? [] : [NamespaceProvisioningFailed({ reason: seen.reason, message: seen.message })];
    default:
      return unreachable(seen);
  }
}

export function evolve(namespace: Namespace, event: NamespaceEvent): Namespace {
  if (event.type === 'namespace.requested.v1') return { status: 'live', ...event.data };
  if (namespace.status === 'absent') return namespace;
  const { failure: _, ...healthy } = namespace;
  switch (event.type) {
    case 'namespace.deletion-requested.v1':
      return { ...namespace, status: 'deleting' };
    case 'namespace.deleted.v1':
      return { ...healthy, status: 'deleted' };
    case 'namespace.provisioned.v1':
      return { ...healthy, uid: event.data.uid };
    case 'namespace.provisioning-failed.v1':
      return { ...namespace, failure: event.data };
    case 'namespace.quota-applied.v1':
      return { ...namespace, appliedQuota: event.data.quota };
    default:
      return namespace;
  }
}
