import { DomainError, type SandboxId } from '@sandlot/kernel';
import type { Relaxation, SandboxSecret, SandboxSpec, SandboxVolume } from '@sandlot/contracts';
import type { SandboxPlace } from '../../ports.js';
import { labelsOf } from './labels.js';
import { claimName, WORK } from './volume-claims.js';

export interface PodSettings {
  /** The service account of a user's namespace that sandboxes run as; it has no rights and its token is not mounted. */
  serviceAccountName: string;
  imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  imagePullSecrets: readonly string[];
  /** Sandlot's own sandbox runtime. As process 1 it would have to collect orphans, which Node cannot: the pod's pause process does it. */
  runtimeImage: string;
  /** Between SIGTERM and SIGKILL. */
  terminationGraceSeconds: number;
}

/** The user and group of the images that Sandlot makes; volumes belong to the group. */
const sandboxUser = 1000;
const tmpSize = '1Gi';
export const workFolder = '/workspace';
export const CONTAINER = 'sandbox';

/** A pod as restricted Pod Security asks for it, and a little stricter: its root filesystem is read-only, and it has no token. */
export function podTemplate(id: SandboxId, place: SandboxPlace, settings: PodSettings) {
  const { name, spec } = place;
  const { relaxations = [], volumes = [], secrets = [] } = spec;
  const mounts = [
    { name: WORK, mountPath: workFolder },
    { name: 'sandlot-tmp', mountPath: '/tmp' },
    ...volumes.map(({ name, mountPath, readOnly }) => ({ name, mountPath, ...(readOnly && { readOnly }) })),
    ...secrets.flatMap(({ mountPath }, index) => (mountPath ? [{ name: `sandlot-secret-${index}`, mountPath, readOnly: true }] : [])),
  ];
  return {
    metadata: {
      labels: labelsOf(id, place),
      ...(volumes.some(({ bucket }) => bucket) && { annotations: { 'gke-gcsfuse/volumes': 'true' } }),
    },
    spec: {
      serviceAccountName: settings.serviceAccountName,
      automountServiceAccountToken: false,
      enableServiceLinks: false, // its environment would name every Service of the namespace
      shareProcessNamespace: spec.image === settings.runtimeImage,
      terminationGracePeriodSeconds: settings.terminationGraceSeconds,
      restartPolicy: 'Always',
      securityContext: podSecurity(relaxations),
      ...(settings.imagePullSecrets.length > 0 && { imagePullSecrets: settings.imagePullSecrets.map((secret) => ({ name: secret })) }),
      ...(spec.runtimeClassName && { runtimeClassName: spec.runtimeClassName }),
      ...(spec.nodeSelector && { nodeSelector: spec.nodeSelector }),
      ...(spec.tolerations && { tolerations: spec.tolerations }),
      containers: [
        {
          name: CONTAINER,
          image: spec.image,
          imagePullPolicy: settings.imagePullPolicy,
          ...(spec.command && { command: spec.command }),
          env: environment(spec),
          ports: spec.ports.map(({ name, port }) => ({ ...(name && { name }), containerPort: port, protocol: 'TCP' })),
          resources: computeResources(spec),
          // Whatever the image is: who listens can be reached. Every second, for a sandbox is waited for.
          readinessProbe: { tcpSocket: { port: spec.ports[0]!.port }, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 3 },
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            readOnlyRootFilesystem: !relaxations.includes('writable-root'),
          },
          volumeMounts: mounts,
        },
      ],
      volumes: [
        { name: WORK, persistentVolumeClaim: { claimName: claimName(name, WORK) } },
        { name: 'sandlot-tmp', emptyDir: { sizeLimit: tmpSize } },
        ...volumes.map((volume) => ({ name: volume.name, ...volumeSource(name, volume) })),
        ...secrets.flatMap((secret, index) => (secret.mountPath ? [secretVolume(`sandlot-secret-${index}`, secret)] : [])),
      ],
    },
  };
}

/** What Pod Security asks for is never left out, unless an operator allowed exactly that for the image. */
function podSecurity(relaxations: readonly Relaxation[]) {
  const asImage = relaxations.includes('image-user') || relaxations.includes('root');
  return {
    runAsNonRoot: !relaxations.includes('root'),
    ...(!asImage && { runAsUser: sandboxUser, runAsGroup: sandboxUser }),
    fsGroup: sandboxUser,
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

/**
 * The user's own variables, literally: `$(NAME)` would be expanded by the kubelet and is escaped. The runtime gives its commands nothing
 * but what it is told to.
 */
function environment({ env = {}, secrets = [], ports }: SandboxSpec) {
  const own = Object.entries(env)
    .filter(([name]) => !name.startsWith('SANDLOT_RUNTIME_'))
    .map(([name, value]) => ({ name, value: value.replaceAll('$(', '$$$$(') }));
  const secret = secrets.flatMap(({ env: name, secretName, key }) =>
    name && key ? [{ name, valueFrom: { secretKeyRef: { name: secretName, key } } }] : [],
  );
  const names = [...own, ...secret].map(({ name }) => name);
  return [
    ...(names.includes('HOME') ? [] : [{ name: 'HOME', value: workFolder }]),
    { name: 'SANDLOT_RUNTIME_WORKDIR', value: workFolder },
    { name: 'SANDLOT_RUNTIME_PORT', value: String(ports[0]!.port) },
    ...(names.length > 0 ? [{ name: 'SANDLOT_RUNTIME_PASS', value: names.join(',') }] : []),
    ...own,
    ...secret,
  ];
}

function computeResources({ resources }: SandboxSpec) {
  return {
    ...(resources?.requests && { requests: { ...resources.requests } }),
    ...(resources?.limits && { limits: { ...resources.limits } }),
  };
}

function volumeSource(sandbox: string, { name, readOnly, claim, bucket }: SandboxVolume) {
  if (claim) return { persistentVolumeClaim: { claimName: claimName(sandbox, name) } };
  if (!bucket) throw new DomainError('VALIDATION_FAILED', `the volume ${name} is neither a claim nor a bucket`);
  return {
    csi: {
      driver: 'gcsfuse.csi.storage.gke.io',
      ...(readOnly && { readOnly }),
      volumeAttributes: {
        bucketName: bucket.bucketName,
        mountOptions: `implicit-dirs,only-dir=${bucket.prefix},uid=${sandboxUser},gid=${sandboxUser}`,
      },
    },
  };
}

function secretVolume(name: string, { secretName, key }: SandboxSecret) {
  return { name, secret: { secretName, defaultMode: 0o440, ...(key && { items: [{ key, path: key }] }) } };
}
