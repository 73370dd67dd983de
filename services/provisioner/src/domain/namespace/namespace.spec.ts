import {
  NamespaceDeleted,
  NamespaceDeletionRequested,
  NamespaceProvisioned,
  NamespaceProvisioningFailed,
  NamespaceQuotaApplied,
  NamespaceRequested,
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

  it('S0-07 records a quota when it is another one', () => {
    namespace(requested).when({ type: 'ReportQuota', quota }).then(NamespaceQuotaApplied({ quota }));
    namespace(requested, NamespaceQuotaApplied({ quota })).when({ type: 'ReportQuota', quota }).thenNothing();
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
