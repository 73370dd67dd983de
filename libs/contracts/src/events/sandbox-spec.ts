import { z } from 'zod';

/*
 * What a sandbox is made of, the same on every runtime, in Kubernetes' own words. It stands in the log as it was resolved: the platform's
 * defaults are filled in when the sandbox is requested, so a changed default never changes a sandbox that is there.
 *
 * The shapes here are what any log may hold, and therefore loose. What may be asked for is stricter: http/sandbox-settings.ts.
 */

/** What is spoken at a port towards the proxies. `h2c` is HTTP/2 without TLS and without asking first (prior knowledge), as gRPC has it. */
export const PortProtocol = z.enum(['http', 'h2c']);
export type PortProtocol = z.infer<typeof PortProtocol>;

export const SandboxPort = z.object({
  name: z
    .string()
    .regex(/^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$/)
    .optional()
    .describe('IANA service name, as Kubernetes has it'),
  port: z.int().min(1).max(65_535),
  protocol: PortProtocol.optional().describe(
    'what it speaks: `http` (HTTP/1.1), which it is when absent, or `h2c` (HTTP/2 without TLS, gRPC)',
  ),
});

export const ComputeResources = z.object({ cpu: z.string().optional(), memory: z.string().optional() });

export const SandboxResources = z.object({
  requests: ComputeResources.optional().describe('what is set aside for it'),
  limits: ComputeResources.optional().describe("what it may use at most; what counts against the owner's quota"),
  disk: z.string().optional().describe('size of its own work folder, which stays while it is paused'),
});
export type SandboxResources = z.infer<typeof SandboxResources>;

export const Toleration = z.object({
  key: z.string().optional().describe('absent: every taint'),
  operator: z.enum(['Exists', 'Equal']).optional(),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
  tolerationSeconds: z.int().optional(),
});

export const SandboxVolume = z.object({
  name: z.string(),
  mountPath: z.string(),
  readOnly: z.boolean().optional(),
  claim: z
    .object({
      storageClassName: z.string().optional().describe("absent: the cluster's default"),
      size: z.string(),
      onDelete: z.enum(['keep', 'delete']).describe('what becomes of it when the sandbox is deleted'),
    })
    .optional()
    .describe('a PersistentVolumeClaim of its own; either this or a bucket'),
  bucket: z
    .object({ bucketName: z.string(), prefix: z.string().describe('the part of the bucket that it sees, <username>/<sandbox>') })
    .optional()
    .describe("a bucket through the cluster's CSI driver gcsfuse.csi.storage.gke.io"),
});
export type SandboxVolume = z.infer<typeof SandboxVolume>;

export const SandboxSecret = z.object({
  secretName: z.string().describe("a Secret of the user's namespace"),
  key: z.string().optional().describe('absent: every key, each as a file'),
  env: z.string().optional().describe('the variable that it becomes; either this or mountPath'),
  mountPath: z.string().optional().describe('the folder that it is seen in'),
});
export type SandboxSecret = z.infer<typeof SandboxSecret>;

/**
 * What an operator lets an image have beyond restricted pods. No user can ask for one.
 * `writable-root`: its root filesystem can be written. `image-user`: runs as the user that the image names, if that is not root.
 * `root`: may run as root, which the namespace's Pod Security level must allow too.
 */
export const Relaxation = z.enum(['writable-root', 'image-user', 'root']);
export type Relaxation = z.infer<typeof Relaxation>;

export const SandboxSpec = z.object({
  image: z.string().min(1).max(255).describe('OCI reference; the `process` runtime has only its own and records this one'),
  command: z.array(z.string()).optional().describe("instead of the image's own"),
  env: z.record(z.string(), z.string()).optional().describe('environment; it stands in the log and is shown: secrets go by reference'),
  ports: z.array(SandboxPort).min(1).max(16).describe('the first is the default of /proxy/{sandbox}/'),
  resources: SandboxResources.optional(),
  labels: z.record(z.string(), z.string()).optional(),
  nodeSelector: z.record(z.string(), z.string()).optional(),
  tolerations: z.array(Toleration).optional(),
  runtimeClassName: z.string().optional(),
  volumes: z.array(SandboxVolume).optional(),
  secrets: z.array(SandboxSecret).optional(),
  relaxations: z.array(Relaxation).optional().describe('of restricted pod security, as an operator allowed for the image'),
});
export type SandboxSpec = z.infer<typeof SandboxSpec>;

/** Keys that are the platform's or the cluster's own: nobody's label may say otherwise. `user` and `app` are what operators select by. */
export function reservedLabel(key: string): boolean {
  const [prefix, name] = key.includes('/') ? [key.slice(0, key.indexOf('/')), key.slice(key.indexOf('/') + 1)] : ['', key];
  if (prefix === '') return name === 'user' || name === 'app';
  return ['sandlot.dev', 'x-k8s.io', 'k8s.io', 'kubernetes.io'].some((domain) => prefix === domain || prefix.endsWith(`.${domain}`));
}
