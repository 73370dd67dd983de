import { MemoryQuantity, Quantity, Relaxation } from '@sandlot/contracts';
import { z } from 'zod';
import type { SettingRules } from './domain/sandbox/settings.js';

const listed = z.string().default('').transform((text) => text.split(',').map((part) => part.trim()).filter(Boolean)); // prettier-ignore

const relaxedImages = listed.transform((entries, context) =>
  entries.flatMap((entry) => {
    const [images = '', names = ''] = entry.split('=');
    const relaxations = z.array(Relaxation).min(1).safeParse(names.split('+'));
    if (images && relaxations.success) return [{ images, relaxations: relaxations.data }];
    context.addIssue({ code: 'custom', message: `must be <image pattern>=<relaxation>+…, of ${Relaxation.options.join(', ')}` });
    return [];
  }),
);

const chooses = (what: string) => `${what}, separated by commas, * for anything; default: none`;

/** What an operator decides about sandboxes' settings. Closed by default: whatever could reach out of a sandbox has to be listed. */
export const sandboxRuleSettings = {
  SANDLOT_DEFAULT_IMAGE: z.string().min(1).default('sandbox-runtime:latest').describe('image of a sandbox that names none'),
  SANDLOT_DEFAULT_RUNTIME_CLASS: z.string().min(1).optional().describe('runtime class (gVisor, Kata) of a sandbox that names none'),
  SANDLOT_DEFAULT_CPU: Quantity.default('400m').describe('CPU limit of a sandbox that names none, where the runtime limits CPU'),
  SANDLOT_DEFAULT_CPU_REQUEST: Quantity.default('100m').describe('CPU set aside for a sandbox that does not say'),
  SANDLOT_DEFAULT_MEMORY: MemoryQuantity.default('768Mi').describe(
    'memory limit of a sandbox that names none, where the runtime limits memory',
  ),
  SANDLOT_DEFAULT_MEMORY_REQUEST: MemoryQuantity.default('128Mi').describe('memory set aside for a sandbox that does not say'),
  SANDLOT_DEFAULT_DISK: MemoryQuantity.default('1Gi').describe("size of a sandbox's work folder, where it does not say"),
  SANDLOT_MAX_DISK: MemoryQuantity.default('100Gi').describe(
    "the most that a sandbox's work folder, and each of its volumes, may be asked to hold",
  ),
  SANDLOT_ALLOWED_IMAGES: listed.describe(
    'images that users may name besides the default one: patterns like ghcr.io/acme/*, separated by commas, * for anything; default: none',
  ),
  SANDLOT_ALLOWED_RUNTIME_CLASSES: listed.describe(chooses('runtime classes that users may name besides the default one')),
  SANDLOT_ALLOWED_NODE_LABELS: listed.describe(chooses('node labels that users may select by, as key=value')),
  SANDLOT_ALLOWED_TAINTS: listed.describe(
    chooses('taints that users may tolerate, as key=value; tolerating a key with every value needs key=*'),
  ),
  SANDLOT_ALLOWED_STORAGE_CLASSES: listed.describe(chooses("storage classes that users may name besides the cluster's default")),
  SANDLOT_ALLOWED_BUCKETS: listed.describe(
    chooses('buckets that users may mount, each sandbox its own prefix of it; what keeps users apart in a bucket is its own access rules'),
  ),
  SANDLOT_RELAXED_IMAGES: relaxedImages.describe(
    `what images may have beyond restricted pods: <image pattern>=<relaxation>+…, separated by commas, of ${Relaxation.options.join(', ')}; default: none`,
  ),
};
type RuleSettings = z.output<z.ZodObject<typeof sandboxRuleSettings>>;

export function settingRules(
  config: RuleSettings & { SANDLOT_RUNTIME: string; SANDLOT_IMAGE_PULL_SECRETS: readonly string[] },
): SettingRules {
  const limitsNothing = config.SANDLOT_RUNTIME === 'process' || config.SANDLOT_RUNTIME === 'memory';
  const resources = {
    requests: { cpu: config.SANDLOT_DEFAULT_CPU_REQUEST, memory: config.SANDLOT_DEFAULT_MEMORY_REQUEST },
    limits: { cpu: config.SANDLOT_DEFAULT_CPU, memory: config.SANDLOT_DEFAULT_MEMORY },
    disk: config.SANDLOT_DEFAULT_DISK,
  };
  return {
    allowed: {
      images: config.SANDLOT_ALLOWED_IMAGES,
      runtimeClasses: config.SANDLOT_ALLOWED_RUNTIME_CLASSES,
      nodeLabels: config.SANDLOT_ALLOWED_NODE_LABELS,
      taints: config.SANDLOT_ALLOWED_TAINTS,
      storageClasses: config.SANDLOT_ALLOWED_STORAGE_CLASSES,
      buckets: config.SANDLOT_ALLOWED_BUCKETS,
      disk: config.SANDLOT_MAX_DISK,
      notSecrets: config.SANDLOT_IMAGE_PULL_SECRETS,
    },
    defaults: {
      image: config.SANDLOT_DEFAULT_IMAGE,
      runtimeClassName: config.SANDLOT_DEFAULT_RUNTIME_CLASS,
      resources: limitsNothing ? undefined : resources,
    },
    relaxed: config.SANDLOT_RELAXED_IMAGES,
    unsupported: { by: config.SANDLOT_RUNTIME, settings: config.SANDLOT_RUNTIME === 'process' ? withoutContainers : [] },
  };
}

/** What takes a container, a cluster or a kernel of its own. Environment and ports a process has too; labels and limits are recorded. */
const withoutContainers = ['command', 'nodeSelector', 'tolerations', 'runtimeClassName', 'volumes', 'secrets'] as const;
