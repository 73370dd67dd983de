import { commonSettings, databaseSettings, defineConfig, natsSettings } from '@sandlot/service-kit';
import { z } from 'zod';

export const authConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    ...databaseSettings,
    SANDLOT_MASTER_KEY_PATH: z
      .string()
      .min(1)
      .describe('file with the master keys of personal data, one per line, newest first, readable by the owner alone'),
    SANDLOT_ADMIN_KEY_PATH: z
      .string()
      .optional()
      .describe("file with the bootstrap administrator's API key; scripts/generate-admin-key.sh makes one"),
  }),
);
export type AuthSettings = z.output<typeof authConfig.schema>;
