import { chmod, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiError, type ApiClient, type KubernetesObject } from './api-client.js';

const CLASS = 'testbed';
const PROVISIONER = 'sandlot.dev/testbed';

/**
 * Makes the default storage class, a volume for each claim of it, in a folder of this machine, and removes both when the claim is gone: what
 * a cluster's CSI driver does. The cluster's own host-path provisioner would leave folders behind that only root can write to.
 */
export async function provideVolumes(client: ApiClient, dir: string): Promise<() => void> {
  await client.request('POST', '/apis/storage.k8s.io/v1/storageclasses', {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: CLASS, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: PROVISIONER,
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'Immediate',
  });
  const claims = client.follow('/api/v1/persistentvolumeclaims', (claim, event) => {
    if (event === 'present' && claim.spec.storageClassName === CLASS && !claim.spec.volumeName && !claim.metadata.deletionTimestamp)
      void provision(client, dir, claim).catch(report);
  });
  const volumes = client.follow('/api/v1/persistentvolumes', (volume, event) => {
    if (event === 'present' && volume.spec.storageClassName === CLASS && volume.status.phase === 'Released')
      void discard(client, volume).catch(report);
  });
  return () => {
    claims.stop();
    volumes.stop();
  };
}

async function provision(client: ApiClient, dir: string, { metadata, spec }: KubernetesObject): Promise<void> {
  const path = join(dir, metadata.uid);
  await mkdir(path, { recursive: true });
  await chmod(path, 0o777); // a host path gets no fsGroup
  await client
    .request('POST', '/api/v1/persistentvolumes', {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `pvc-${metadata.uid}`, annotations: { 'pv.kubernetes.io/provisioned-by': PROVISIONER } },
      spec: {
        accessModes: spec.accessModes,
        capacity: { storage: spec.resources.requests.storage },
        storageClassName: CLASS,
        persistentVolumeReclaimPolicy: 'Delete',
        hostPath: { path, type: 'Directory' },
        claimRef: {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          namespace: metadata.namespace,
          name: metadata.name,
          uid: metadata.uid,
        },
      },
    })
    .catch(unless(409));
}

async function discard(client: ApiClient, { metadata, spec }: KubernetesObject): Promise<void> {
  if (spec.persistentVolumeReclaimPolicy !== 'Delete') return;
  await rm(spec.hostPath.path, { recursive: true, force: true });
  await client.request('DELETE', `/api/v1/persistentvolumes/${metadata.name}`).catch(unless(404));
}

/** Somebody has done it already. */
function unless(status: number): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ApiError && error.status === status)) throw error;
  };
}

function report(error: Error): void {
  process.stderr.write(`the testbed's volumes: ${error.message}\n`);
}
