import {
  commonSettings,
  defineConfig,
  identitySettings,
  natsSettings,
  portSetting,
  previewSettings,
  type ConfigOf,
} from '@sandlot/service-kit';
import { z } from 'zod';

export const gatewayConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    ...identitySettings,
    ...previewSettings,
    SANDLOT_GATEWAY_PORT: portSetting().default(8081).describe('port of the API, which only the proxy needs to reach; 0 takes a free one'),
    SANDLOT_NATS_MONITORING_URLS: z
      .string()
      .regex(/^https?:\/\/[^\s,]+(,https?:\/\/[^\s,]+)*$/)
      .optional()
      .transform((text) => text?.split(',') ?? [])
      .describe("where the NATS servers can be monitored, http://host:8222, several separated by commas: for the platform's health"),
    SANDLOT_BACKUP_MAX_AGE: z.coerce
      .number()
      .int()
      .min(0)
      .max(31_536_000)
      .default(172_800)
      .describe("seconds after which the last backup is too old, for the platform's health; 0: nobody takes any"),
    SANDLOT_GATEWAY_HOST: z.string().default('127.0.0.1').describe('address that the API listens on'),
  }),
);
export type GatewayConfig = ConfigOf<typeof gatewayConfig>;
