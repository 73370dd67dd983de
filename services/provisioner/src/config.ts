import { commonSettings, databaseSettings, defineConfig, natsSettings } from '@sandlot/service-kit';
import { z } from 'zod';
import { discoverySettings } from './discovery-settings.js';
import { kubernetesSettings } from './kubernetes-settings.js';
import { namespaceSettings } from './namespace-settings.js';
import { sandboxRuleSettings } from './setting-rules.js';

const quantity = z.string().regex(/^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/);

export const provisionerConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    ...databaseSettings,
    SANDLOT_RUNTIME: z
      .enum(['process', 'memory', 'statefulset', 'agent-sandbox', 'auto'])
      .default('process')
      .describe(
        'where sandboxes run: process (one machine, isolates nothing), statefulset (Kubernetes), agent-sandbox (Kubernetes with its CRD), auto (agent-sandbox where the cluster serves it, else statefulset), memory (nowhere, for tests)',
      ),
    ...kubernetesSettings,
    ...discoverySettings,
    SANDLOT_DATA_DIR: z.string().min(1).default('.sandlot').describe('folder that the process runtime keeps sandboxes in'),
    SANDLOT_SANDBOX_PATH: z.string().optional().describe('PATH of the commands in sandboxes of the process runtime; default: a plain one'),
    ...sandboxRuleSettings,
    ...namespaceSettings,
    SANDLOT_EXPIRY_WARNING: z.coerce
      .number()
      .int()
      .min(1)
      .max(28_800)
      .default(300)
      .describe('seconds before a sandbox expires at which an event says so; at most half of its ttl'),
    SANDLOT_IDLE_TIMEOUT: z.coerce
      .number()
      .int()
      .min(0)
      .max(604_800)
      .refine((seconds) => seconds === 0 || seconds >= 60, 'must be 0, or at least 60')
      .default(0)
      .describe('seconds without traffic after which a sandbox is paused that does not say; 0 for never'),
    SANDLOT_QUOTA_SANDBOXES: z.coerce
      .number()
      .int()
      .min(0)
      .max(10_000)
      .default(10)
      .describe('sandboxes that a user may have, paused ones included'),
    SANDLOT_QUOTA_CPU: quantity.default('4').describe("CPU of all of a user's sandboxes together, a Kubernetes quantity"),
    SANDLOT_QUOTA_MEMORY: quantity.default('8Gi').describe("memory of all of a user's sandboxes together, a Kubernetes quantity"),
  }),
);
export type ProvisionerSettings = z.output<typeof provisionerConfig.schema>;
