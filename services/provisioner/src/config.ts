import { commonSettings, databaseSettings, defineConfig, natsSettings } from '@sandlot/service-kit';
import { z } from 'zod';

const quantity = z.string().regex(/^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/);

export const provisionerConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    ...databaseSettings,
    SANDLOT_RUNTIME: z
      .enum(['process', 'memory'])
      .default('process')
      .describe('where sandboxes run: process (one machine, isolates nothing), memory (nowhere, for tests)'),
    SANDLOT_DATA_DIR: z.string().min(1).default('.sandlot').describe('folder that the process runtime keeps sandboxes in'),
    SANDLOT_SANDBOX_PATH: z.string().optional().describe('PATH of the commands in sandboxes of the process runtime; default: a plain one'),
    SANDLOT_DEFAULT_IMAGE: z.string().min(1).default('sandbox-runtime:latest').describe('image of a sandbox that names none'),
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
