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
} from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { given } from '@sandlot/testing';
import { namespaceDecider } from './namespace.js';

const owner = newId('usr');
const requested = NamespaceRequested({ owner, username: 'alice', name: 'user-alice' });
const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };
const namespace = given(namespaceDecider);

describe("a user's namespace", () => {
  it('S0-27 is requested with the first sandbox, and only then', () => {
    const command = { type: 'RequestNamespace' as const, owner, username: 'alice', name: 'user-alice' };
    namespace().when(command).then(requested);
    namespace(requested).when(command).thenNothing();
  });

  it('says once that it is there, and again when another one took its place', () => {
    const provisioned = NamespaceProvisioned({ uid: 'a' });
    namespace(requested)
      .when({ type: 'ReportNamespace', seen: { phase: 'present', uid: 'a' } })
      .then(provisioned);
    namespace(requested, provisioned)
      .when({ type: 'ReportNamespace', seen: { phase: 'present', uid: 'a' } })
      .thenNothing();
    namespace(requested, provisioned)
      .when({ type: 'ReportNamespace', seen: { phase: 'present', uid: 'b' } })
      .then(NamespaceProvisioned({ uid: 'b' }));
  });

  it('says once why it cannot be made, and that it could be after all', () => {
    const seen = { phase: 'failed' as const, reason: 'NOT_OURS', message: 'somebody else made it' };
    const failed = NamespaceProvisioningFailed({ reason: seen.reason, message: seen.message });
    namespace(requested).when({ type: 'ReportNamespace', seen }).then(failed);
    namespace(requested, failed).when({ type: 'ReportNamespace', seen }).thenNothing();
    namespace(requested, NamespaceProvisioned({ uid: 'a' }), failed)
      .when({ type: 'ReportNamespace', seen: { phase: 'present', uid: 'a' } })
      .then(NamespaceProvisioned({ uid: 'a' }));
  });

  it('S0-07 S0-08 records each concern when it is seen in place as something else than before', () => {
    const applied = { concern: 'quota', quota } as const;
    namespace(requested).when({ type: 'ReportConcern', seen: { applied } }).then(NamespaceQuotaApplied({ quota }));
    namespace(requested, NamespaceQuotaApplied({ quota })).when({ type: 'ReportConcern', seen: { applied } }).thenNothing();
    namespace(requested, NamespaceNetworkPolicyApplied({ egress: 'none' }))
      .when({ type: 'ReportConcern', seen: { applied: { concern: 'network-policy', egress: 'internet' } } })
      .then(NamespaceNetworkPolicyApplied({ egress: 'internet' }));
    namespace(requested, NamespaceServiceAccountApplied({ annotations: { a: 'b' } }))
      .when({ type: 'ReportConcern', seen: { applied: { concern: 'service-account', annotations: { a: 'c' } } } })
      .then(NamespaceServiceAccountApplied({ annotations: { a: 'c' } }));
  });

  it('knows of nothing in place in another namespace of the same name', () => {
    namespace(requested, NamespaceProvisioned({ uid: 'a' }), NamespaceQuotaApplied({ quota }), NamespaceProvisioned({ uid: 'b' }))
      .when({ type: 'ReportConcern', seen: { applied: { concern: 'quota', quota } } })
      .then(NamespaceQuotaApplied({ quota }));
  });

  it('says once why a concern is not in place, and that it is after all', () => {
    const failed = { failed: 'quota', reason: 'NOT_PERMITTED', message: 'forbidden' } as const;
    const fact = NamespaceProvisioningFailed({ reason: 'NOT_PERMITTED', message: 'forbidden', concern: 'quota' });
    namespace(requested, NamespaceQuotaApplied({ quota })).when({ type: 'ReportConcern', seen: failed }).then(fact);
    namespace(requested, NamespaceQuotaApplied({ quota }), fact).when({ type: 'ReportConcern', seen: failed }).thenNothing();
    namespace(requested, NamespaceQuotaApplied({ quota }), fact)
      .when({ type: 'ReportConcern', seen: { applied: { concern: 'quota', quota } } })
      .then(NamespaceQuotaApplied({ quota }));
  });

  it('is handed over once, and is from then on as if it had been made', () => {
    const notOurs = NamespaceProvisioningFailed({ reason: 'NAMESPACE_NOT_OURS', message: 'somebody else made it' });
    namespace(requested, notOurs)
      .when({ type: 'AdoptNamespace', uid: 'x' })
      .then(NamespaceAdopted({ uid: 'x' }));
    namespace(requested, notOurs, NamespaceAdopted({ uid: 'x' }))
      .when({ type: 'AdoptNamespace', uid: 'x' })
      .thenNothing();
    namespace(requested, notOurs, NamespaceAdopted({ uid: 'x' }))
      .when({ type: 'ReportNamespace', seen: { phase: 'present', uid: 'x' } })
      .thenNothing();
  });

  it('records what was changed by hand', () => {
    const drift = { concern: 'quota' as const, object: 'ResourceQuota/sandlot', differences: [{ path: 'spec.hard.pods', found: '"99"' }] };
    namespace(requested)
      .when({ type: 'ReportDrift', drift: [drift] })
      .then(NamespaceDriftRepaired(drift));
    namespace(requested, NamespaceDeletionRequested({}))
      .when({ type: 'ReportDrift', drift: [drift] })
      .thenNothing();
  });

  it('is deleted once, when the runtime holds nothing of it any more', () => {
    namespace(requested).when({ type: 'DeleteNamespace' }).then(NamespaceDeletionRequested({}));
    namespace(requested, NamespaceDeletionRequested({})).when({ type: 'DeleteNamespace' }).thenNothing();
    namespace(requested, NamespaceDeletionRequested({}))
      .when({ type: 'ReportNamespace', seen: { phase: 'gone' } })
      .then(NamespaceDeleted({}));
    namespace(requested, NamespaceDeletionRequested({}), NamespaceDeleted({}))
      .when({ type: 'ReportNamespace', seen: { phase: 'gone' } })
      .thenNothing();
  });
});
