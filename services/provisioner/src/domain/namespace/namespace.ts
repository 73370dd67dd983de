import { unreachable, type Decider, type UserId } from '@sandlot/kernel';
import {
  NamespaceAdopted,
  NamespaceDeleted,
  NamespaceDeletionRequested,
  NamespaceDriftRepaired,
  NamespaceNetworkPolicyApplied,
  NamespaceProvisioned,
  NamespaceProvisioningFailed,
  NamespaceQuotaApplied,
  NamespaceRequested,
  NamespaceServiceAccountApplied,
  type NamespaceConcernName,
  type NamespaceEvent,
} from '@sandlot/contracts';
import { sameConcern, type AppliedConcerns, type NamespaceConcern } from './concern.js';

/** A user's namespace: one for all of their sandboxes, made with the first and gone with the user. */
export type Namespace =
  | { status: 'absent' }
  | {
      status: 'live' | 'deleting' | 'deleted';
      owner: UserId;
      username: string;
      name: string;
      /** The runtime's own id of it, once it was seen or handed over. */
      uid?: string;
      failure?: Failure;
      /** What was seen to be in place, in the namespace of this uid. */
      applied: AppliedConcerns;
      /** Why a concern is not in place. */
      failures: { readonly [Name in NamespaceConcernName]?: Failure };
    };

export interface Failure {
  reason: string;
  message: string;
}

export type Drift = ReturnType<typeof NamespaceDriftRepaired>['data'];

/** What the runtime says of a namespace. */
export type NamespaceReport = { phase: 'present'; uid: string } | { phase: 'gone' } | { phase: 'failed'; reason: string; message: string };

export type NamespaceCommand =
  | { type: 'RequestNamespace'; owner: UserId; username: string; name: string }
  | { type: 'DeleteNamespace' }
  | { type: 'ReportNamespace'; seen: NamespaceReport }
  | { type: 'AdoptNamespace'; uid: string }
  | { type: 'ReportConcern'; seen: ConcernReport }
  | { type: 'ReportDrift'; drift: readonly Drift[] };

export type ConcernReport = { applied: NamespaceConcern } | ({ failed: NamespaceConcernName } & Failure);

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
    case 'AdoptNamespace':
      return namespace.status === 'live' && namespace.uid !== command.uid ? [NamespaceAdopted({ uid: command.uid })] : [];
    case 'ReportConcern':
      return reportConcern(command.seen, namespace);
    case 'ReportDrift':
      return namespace.status === 'live' ? command.drift.map((drift) => NamespaceDriftRepaired(drift)) : [];
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

function reportConcern(seen: ConcernReport, namespace: Namespace): NamespaceEvent[] {
  if (namespace.status !== 'live') return [];
  if ('failed' in seen) {
    const { failed: concern, reason, message } = seen;
    return namespace.failures[concern]?.reason === reason ? [] : [NamespaceProvisioningFailed({ reason, message, concern })];
  }
  const { applied } = seen;
  const known = sameConcern(applied, namespace.applied[applied.concern]) && !namespace.failures[applied.concern];
  return known ? [] : [appliedFact(applied)];
}

function appliedFact(applied: NamespaceConcern): NamespaceEvent {
  switch (applied.concern) {
    case 'quota':
      return NamespaceQuotaApplied({ quota: applied.quota });
    case 'network-policy':
      return NamespaceNetworkPolicyApplied({ egress: applied.egress });
    case 'service-account':
      return NamespaceServiceAccountApplied({ annotations: applied.annotations });
    default:
      return unreachable(applied);
  }
}

export function evolve(namespace: Namespace, event: NamespaceEvent): Namespace {
  if (event.type === 'namespace.requested.v1') return { status: 'live', ...event.data, applied: {}, failures: {} };
  if (namespace.status === 'absent') return namespace;
  const { failure: _, ...healthy } = namespace;
  switch (event.type) {
    case 'namespace.deletion-requested.v1':
      return { ...namespace, status: 'deleting' };
    case 'namespace.deleted.v1':
      return { ...healthy, status: 'deleted' };
    case 'namespace.adopted.v1':
    case 'namespace.provisioned.v1':
      // Another namespace of the same name has nothing of what was in its predecessor.
      return { ...healthy, uid: event.data.uid, ...(namespace.uid !== event.data.uid && { applied: {}, failures: {} }) };
    case 'namespace.provisioning-failed.v1':
      return failed(namespace, event.data);
    case 'namespace.drift-repaired.v1':
      return drifted(namespace, event.data);
    case 'namespace.quota-applied.v1':
      return applied(namespace, { concern: 'quota', quota: event.data.quota });
    case 'namespace.network-policy-applied.v1':
      return applied(namespace, { concern: 'network-policy', egress: event.data.egress });
    case 'namespace.service-account-applied.v1':
      return applied(namespace, { concern: 'service-account', annotations: event.data.annotations });
    default:
      return namespace;
  }
}

type Known = Exclude<Namespace, { status: 'absent' }>;

function failed(namespace: Known, { concern, ...failure }: Failure & { concern?: NamespaceConcernName | undefined }): Known {
  return concern ? { ...namespace, failures: { ...namespace.failures, [concern]: failure } } : { ...namespace, failure };
}

/** What has drifted is not in place until it is seen there again. So a drift is told once, and its repair too. */
function drifted(namespace: Known, { concern, differences }: Drift): Known {
  if (concern !== 'namespace') {
    const { [concern]: _, ...rest } = namespace.applied;
    return { ...namespace, applied: rest };
  }
  if (differences.some(({ path }) => path !== '')) return namespace;
  const { uid: _, ...lost } = namespace;
  return { ...lost, applied: {}, failures: {} };
}

function applied(namespace: Known, concern: NamespaceConcern): Known {
  const { [concern.concern]: _, ...failures } = namespace.failures;
  return { ...namespace, applied: { ...namespace.applied, [concern.concern]: concern }, failures };
}
