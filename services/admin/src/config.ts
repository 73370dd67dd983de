import { defineConfig, loadConfig, natsSettings, secret, type ConfigOf, type Environment, type LoadedConfig } from '@sandlot/service-kit';
import { z } from 'zod';
import type { S3Access } from './backup/s3-store.js';

export const adminConfig = defineConfig(
  z.object({
    ...natsSettings,
    SANDLOT_NATS_URL: natsSettings.SANDLOT_NATS_URL.unwrap()
      .optional()
      .describe('NATS, for backup and restore; default: that of the data folder'),
    SANDLOT_URL: z.url().optional().describe('where the platform is; default: http://127.0.0.1: and SANDLOT_PORT'),
    SANDLOT_PORT: z.coerce.number().int().min(1).max(65_535).default(8080).describe('the public port, where SANDLOT_URL is not set'),
    SANDLOT_ADMIN_KEY_PATH: z.string().optional().describe("file with an administrator's API key; default: admin.key of the data folder"),
    SANDLOT_DATA_DIR: z
      .string()
      .min(1)
      .default('.sandlot')
      .describe('folder of make up, where keys and NATS are found when nothing else is said'),
    SANDLOT_MASTER_KEY_PATH: z.string().optional().describe('file with the master keys; restore refuses when one is missing'),
    SANDLOT_DATABASE_URL: secret(z.string().regex(/^postgres(ql)?:\/\//))
      .optional()
      .describe('the database, as its owner, for migrate'),
    SANDLOT_STREAM_REPLICAS: z
      .enum(['1', '3'])
      .default('1')
      .transform((text) => Number(text) as 1 | 3)
      .describe('copies of every stream that restore and migrate make'),
  }),
);
export type AdminSettings = ConfigOf<typeof adminConfig>;

export const settingsFrom = (env: Environment): LoadedConfig<typeof adminConfig> => loadConfig(adminConfig, env);

/** The variables that every tool for S3 reads. */
export function s3AccessFrom(env: Environment): S3Access {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env;
  if (!accessKeyId || !secretAccessKey) throw new Error('a bucket needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  const endpoint = env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'];
  const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1';
  return { accessKeyId, secretAccessKey, region, ...(sessionToken && { sessionToken }), ...(endpoint && { endpoint }) };
}
