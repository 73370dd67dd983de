import { commonSettings, defineConfig, natsSettings, portSetting, secret, type ConfigOf } from '@sandlot/service-kit';
import { z } from 'zod';

export const standaloneConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    SANDLOT_LOG_LEVEL: commonSettings.SANDLOT_LOG_LEVEL.unwrap()
      .default('warn')
      .describe('fatal, error, warn, info, debug, trace or silent'),
    SANDLOT_METRICS_PORT: portSetting()
      .default(9090)
      .describe('port of /metrics, /livez and /readyz; 0 turns them off, and so does the default when it is taken'),
    SANDLOT_METRICS_HOST: z.string().default('127.0.0.1').describe('address that /metrics, /livez and /readyz listen on'),
    SANDLOT_PORT: portSetting().default(8080).describe('the public port; 0 takes a free one'),
    SANDLOT_HOST: z
      .string()
      .default('127.0.0.1')
      .describe('address that the public port listens on; the process runtime isolates nothing, so think twice'),
    SANDLOT_DATA_DIR: z.string().min(1).default('.sandlot').describe('folder for everything that is kept, admin.key included'),
    SANDLOT_NATS_URL: natsSettings.SANDLOT_NATS_URL.unwrap().optional().describe('a NATS server of your own instead of the embedded one'),
    SANDLOT_NATS_SERVER: z.string().optional().describe('path of the nats-server to run as the embedded one'),
    SANDLOT_DATABASE_URL: secret(z.string().regex(/^postgres(ql)?:\/\//))
      .optional()
      .describe('a PostgreSQL database of your own instead of the embedded one, as its owner'),
  }),
);
export type StandaloneSettings = ConfigOf<typeof standaloneConfig>;

/** Of migrate.ts, which prepares the servers for services that run as processes of their own. */
export const migrateConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    SANDLOT_DATABASE_URL: secret(z.string().regex(/^postgres(ql)?:\/\//)).describe(
      "the database, as its owner; the services' roles are made with it",
    ),
    SANDLOT_STREAM_REPLICAS: z
      .enum(['1', '3'])
      .default('1')
      .transform((text) => Number(text) as 1 | 3)
      .describe('copies of every stream and bucket: 1, or 3 with three NATS servers or more; never brought down'),
    SANDLOT_DATABASE_URLS_DIR: z
      .string()
      .min(1)
      .optional()
      .describe(
        "folder that migrate leaves each service's own URLs in, as <service>.url and <service>.reader-url, for SANDLOT_DATABASE_URL_FILE and SANDLOT_DATABASE_READER_URL_FILE",
      ),
  }),
);
