import { z } from 'zod';
import { ComputeResources, reservedLabel, SandboxPort, SandboxSecret, SandboxVolume, Toleration } from '../events/sandbox-spec.js';
import { MemoryQuantity, milliOf, Quantity } from '../quantity.js';

/*
 * What may be asked of a sandbox. Whatever Kubernetes would refuse is refused here, with the field's name: a pod that can never be made
 * would be a sandbox that never starts. What an operator allows on top (images, runtime classes, …) the provisioner knows.
 */

/** Of the settings together, as JSON: an event must stay well below the log's 64 KiB. */
const maxSettingsBytes = 16 * 1024;

const text = (max: number) => z.string().max(max).regex(/^[^\0]*$/, 'must not contain a NUL'); // prettier-ignore
const subdomain = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/, 'must be a DNS name in lower case');
const label = z.string().max(63).regex(/^[a-z]([a-z0-9-]*[a-z0-9])?$/, 'must match [a-z]([a-z0-9-]*[a-z0-9])?'); // prettier-ignore
const labelKey = z
  .string()
  .max(317)
  .regex(/^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/, 'must be a label key, [prefix/]name');
const labelValue = z
  .string()
  .max(63)
  .regex(/^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$/, 'must be a label value: letters, digits, -, _ and .');
const variable = z
  .string()
  .max(256)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable, [A-Za-z_][A-Za-z0-9_]*')
  .refine((name) => !name.startsWith('SANDLOT_'), 'is reserved: the platform sets SANDLOT_ variables itself');

const cpuAmount = Quantity.refine((value) => milliOf(value) >= 1, 'must be at least 1m');
const memoryAmount = MemoryQuantity.refine((value) => milliOf(value) >= 1024 ** 2 * 1000, 'must be at least 1Mi');

const compute = ComputeResources.extend({ cpu: cpuAmount.optional(), memory: memoryAmount.optional() }).strict();
const resources = z
  .strictObject({
    requests: compute.optional().describe('what is set aside for it; default: the platform’s, at most the limits'),
    limits: compute.optional().describe("what it may use at most; what counts against the owner's quota"),
    disk: memoryAmount.optional().describe('size of its own work folder, which stays while it is paused'),
  })
  .superRefine(({ requests, limits }, context) => {
    for (const resource of ['cpu', 'memory'] as const) {
      const [request, limit] = [requests?.[resource], limits?.[resource]];
      if (request !== undefined && limit !== undefined && milliOf(request) > milliOf(limit))
        context.addIssue({ code: 'custom', path: ['requests', resource], message: `must not be more than the limit, ${limit}` });
    }
  });

const toleration = Toleration.extend({
  key: labelKey.optional(),
  value: labelValue.optional(),
  tolerationSeconds: z.int().min(0).max(31_536_000).optional(),
})
  .strict()
  .superRefine(({ key, operator = 'Equal', value, effect, tolerationSeconds }, context) => {
    const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (key === undefined && operator !== 'Exists') fault('operator', 'must be Exists where no key is named');
    if (operator === 'Exists' && value) fault('value', 'must be absent with the operator Exists');
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') fault('tolerationSeconds', 'goes with the effect NoExecute only');
  });

/** Folders that are the system's, or made by the platform. Nothing is put over them, and nothing below the first ones. */
const systemFolders = ['/proc', '/sys', '/dev', '/run/secrets', '/var/run/secrets'];
const takenFolders = ['/', '/bin', '/etc', '/home', '/lib', '/lib64', '/run', '/sbin', '/tmp', '/usr', '/var', '/var/run', '/workspace'];
const mountPath = z
  .string()
  .max(255)
  .regex(/^(\/[A-Za-z0-9._-]+)+$/, 'must be an absolute path of letters, digits, ., _ and -')
  .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'must not contain . or ..')
  .refine(
    (path) => !takenFolders.includes(path) && !systemFolders.some((folder) => path === folder || path.startsWith(`${folder}/`)),
    'is a folder of the system',
  );

const volume = SandboxVolume.extend({
  name: label.max(30).refine((name) => !name.startsWith('sandlot-'), "is reserved for the sandbox's own volumes"),
  mountPath,
  claim: z
    .strictObject({
      storageClassName: subdomain.optional().describe("default: the cluster's own"),
      size: memoryAmount,
      onDelete: z
        .enum(['keep', 'delete'])
        .default('delete')
        .describe('keep: it stays when the sandbox is deleted, and the next sandbox of that name has it again'),
    })
    .optional()
    .describe('a PersistentVolumeClaim; either this or a bucket'),
  bucket: z
    .strictObject({ bucketName: z.string().regex(/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/, 'must be the name of a bucket') })
    .optional()
    .describe('a bucket that the operator allows; the sandbox sees only the part below <username>/<sandbox>'),
})
  .strict()
  .superRefine(({ claim, bucket }, context) => {
    if ((claim === undefined) === (bucket === undefined))
      context.addIssue({ code: 'custom', path: [claim ? 'bucket' : 'claim'], message: 'name either a claim or a bucket' });
  });

const secret = SandboxSecret.extend({
  secretName: subdomain,
  key: z.string().max(253).regex(/^[A-Za-z0-9._-]+$/, 'must be a key of a Secret').optional(), // prettier-ignore
  env: variable.optional(),
  mountPath: mountPath.optional(),
})
  .strict()
  .superRefine(({ key, env, mountPath: folder }, context) => {
    const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if ((env === undefined) === (folder === undefined))
      fault(env ? 'mountPath' : 'env', 'name either a variable (env) or a folder (mountPath)');
    if (env !== undefined && key === undefined) fault('key', 'a variable needs the key whose value it gets');
  });

/** An OCI reference: no spaces, nothing that a command line or a pattern would take for something else. */
export const ImageReference = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/, 'must be an image reference like ghcr.io/acme/tools:1');

export const sandboxSettings = {
  image: ImageReference.optional().describe('default: SANDLOT_DEFAULT_IMAGE; which others may be named, SANDLOT_ALLOWED_IMAGES says'),
  command: z.array(text(4096)).min(1).max(64).optional().describe("instead of the image's own"),
  env: entries(variable, text(8192), 128)
    .optional()
    .describe('environment; it stands in the log and is shown to whoever may see the sandbox: secrets go by reference'),
  ports: z
    .array(SandboxPort.strict())
    .min(1)
    .max(16)
    .superRefine((ports, context) => {
      twice(ports, 'port', context);
      twice(ports, 'name', context);
    })
    .default([{ port: 8888 }])
    .describe('the first is the default of /proxy/{sandbox}/'),
  resources: resources.optional(),
  labels: entries(
    labelKey.refine((key) => !reservedLabel(key), 'is reserved: labels of Kubernetes, of agent-sandbox and of Sandlot, `user` and `app`'),
    labelValue,
    32,
  )
    .optional()
    .describe("of the sandbox's objects in the cluster"),
  nodeSelector: entries(labelKey, labelValue, 16).optional().describe('labels that its node must have; as the operator allows'),
  tolerations: z.array(toleration).max(16).optional().describe('taints that its node may have; as the operator allows'),
  runtimeClassName: subdomain.optional().describe('gVisor, Kata, …; as the operator allows'),
  volumes: z
    .array(volume)
    .max(8)
    .superRefine((volumes, context) => {
      twice(volumes, 'name', context);
      twice(volumes, 'mountPath', context);
    })
    .optional(),
  secrets: z
    .array(secret)
    .max(32)
    .superRefine((secrets, context) => {
      twice(secrets, 'env', context);
      twice(secrets, 'mountPath', context);
    })
    .optional()
    .describe("by reference to Secrets in the user's namespace: their values never pass through the platform"),
};

/** As they are let through, defaults of the edge filled in. */
export type SandboxSettings = z.output<z.ZodObject<typeof sandboxSettings>>;

interface Settings {
  env?: Record<string, string> | undefined;
  secrets?: { env?: string | undefined; mountPath?: string | undefined }[] | undefined;
  volumes?: { mountPath: string }[] | undefined;
}

/** What no field can say alone. */
export function settingsTogether(settings: Settings, context: z.RefinementCtx): void {
  const folders = new Set(settings.volumes?.map(({ mountPath: folder }) => folder));
  for (const [index, { env, mountPath: folder }] of (settings.secrets ?? []).entries()) {
    const fault = (path: string, message: string) => context.addIssue({ code: 'custom', path: ['secrets', index, path], message });
    if (env !== undefined && settings.env && Object.hasOwn(settings.env, env)) fault('env', 'is set in env already');
    if (folder !== undefined && folders.has(folder)) fault('mountPath', 'is the folder of a volume already');
  }
  const bytes = Buffer.byteLength(JSON.stringify(settings));
  if (bytes > maxSettingsBytes) {
    const message = `the settings take ${bytes} bytes and may take ${maxSettingsBytes}: put large values into a file or a Secret`;
    context.addIssue({ code: 'custom', path: [], message });
  }
}

/** A map whose keys are checked one by one: zod's own record says only that a key is invalid, not why. */
function entries(key: z.ZodType<string, string>, value: z.ZodType<string, string>, max: number) {
  return z.record(z.string(), value).superRefine((record, context) => {
    const keys = Object.keys(record);
    if (keys.length > max) context.addIssue({ code: 'custom', path: [], message: `must have at most ${max} entries` });
    for (const name of keys)
      for (const { message } of key.safeParse(name).error?.issues ?? []) context.addIssue({ code: 'custom', path: [name], message });
  });
}

function twice<Name extends string>(items: readonly { [N in Name]?: unknown }[], field: Name, context: z.RefinementCtx): void {
  const seen = new Set<unknown>();
  for (const [index, { [field]: value }] of items.entries()) {
    if (value !== undefined && seen.has(value)) context.addIssue({ code: 'custom', path: [index, field], message: 'is named twice' });
    seen.add(value);
  }
}
