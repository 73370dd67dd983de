import type { SandboxId } from '@sandlot/kernel';
import type { SandboxPlace } from '../../ports.js';
import type { KubernetesObject } from './cluster.js';
import { labelsOf } from './labels.js';

/** Of the work folder: its size where the sandbox names none, and the class, by default the cluster's own. */
export interface VolumeSettings {
  readonly storageClass?: string;
  readonly disk: string;
}

/** The volume of the work folder. */
export const WORK = 'sandlot-work';

/** On a claim: `keep` when it stays after its sandbox is deleted. */
export const ON_DELETE = 'sandlot.dev/on-delete';
/** On a claim that was kept: the sandbox that it was of. */
export const KEPT_FROM = 'sandlot.dev/kept-from';

/** A name of a sandbox and of a volume may hold `-` but no `.`, so no two pairs have the same. */
export const claimName = (sandbox: string, volume: string): string => (volume === WORK ? sandbox : `${sandbox}.${volume}`);

/** The volume that a claim is for, as people call it: `work` is the work folder. */
export const volumeOf = ({ metadata }: KubernetesObject): string => metadata.name.split('.')[1] ?? 'work';

/**
 * The claims of a sandbox. They are objects of their own, not templates of the workload: deleting the workload, by hand or by accident,
 * then leaves the files, and the next one of the same name has them again.
 */
export function volumeClaims(id: SandboxId, place: SandboxPlace, { storageClass, disk }: VolumeSettings): KubernetesObject[] {
  const { name, namespace, spec } = place;
  const claim = (volume: string, size: string, storageClassName: string | undefined, onDelete: 'keep' | 'delete'): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: claimName(name, volume), namespace, labels: labelsOf(id, place), annotations: { [ON_DELETE]: onDelete } },
    spec: {
      accessModes: ['ReadWriteOnce'],
      ...(storageClassName !== undefined && { storageClassName }),
      resources: { requests: { storage: size } },
    },
  });
  return [
    claim(WORK, spec.resources?.disk ?? disk, storageClass, 'delete'),
    ...(spec.volumes ?? []).flatMap(({ name, claim: asked }) =>
      asked ? [claim(name, asked.size, asked.storageClassName ?? storageClass, asked.onDelete)] : [],
    ),
  ];
}
