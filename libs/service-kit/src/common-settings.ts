import { crashPoints } from '@sandlot/kernel';
import { z } from 'zod';
import { orFile, secret } from './known-settings.js';

// What several services read in the same way. Each spreads what it needs into its own defineConfig.

/** A TCP port as a setting; 0 where it may be off or free is said in the description. */
export const portSetting = () => z.coerce.number().int().min(0).max(65_535);

/** `true`, `1`, `yes`, `on`, and their opposites. */
export const flagSetting = () => z.stringbool();

export const commonSettings = {
  SANDLOT_LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('fatal, error, warn, info, debug, trace or silent'),
  SANDLOT_METRICS_PORT: portSetting().default(9090).describe('port of /metrics, /livez and /readyz; 0 turns them off'),
  SANDLOT_CRASH_AT: z
    .string()
    .regex(new RegExp(`^(${crashPoints.join('|')})(:[1-9]\\d{0,5})?$`))
    .optional()
    .describe('for crash tests only: the process kills itself at this point, point[:nth pass]'),
  SANDLOT_METRICS_HOST: z.string().default('0.0.0.0').describe('address that /metrics, /livez and /readyz listen on'),
};

export const natsSettings = {
  SANDLOT_NATS_URL: secret(z.string().regex(/^(nats|tls):\/\//))
    .default('nats://127.0.0.1:4222')
    .describe('nats://[user:password@]host:port, several separated by commas; tls:// asks for TLS'),
  SANDLOT_NATS_NKEY: secret(z.string().regex(/^SU[A-Z2-7]+$/))
    .optional()
    .describe("the seed of the service's nkey, SU…"),
  SANDLOT_NATS_CREDS: secret(z.string().includes('-----BEGIN')).optional().describe('the content of a .creds file, instead of an nkey'),
  SANDLOT_NATS_TLS_CA: orFile(z.string().includes('-----BEGIN'))
    .optional()
    .describe('PEM of the authority that signed the certificate of NATS'),
  SANDLOT_NATS_TLS_CERT: orFile(z.string().includes('-----BEGIN')).optional().describe("PEM of the service's own certificate"),
  SANDLOT_NATS_TLS_KEY: secret(z.string().includes('-----BEGIN'))
    .optional()
    .describe("PEM of the private key of the service's certificate"),
};

export const databaseSettings = {
  SANDLOT_DATABASE_URL: secret(z.string().regex(/^postgres(ql)?:\/\//)).describe('postgres://user:password@host:port/database'),
  SANDLOT_DATABASE_READER_URL: secret(z.string().regex(/^postgres(ql)?:\/\//))
    .optional()
    .describe('the same as a role that only reads, for queries; default: SANDLOT_DATABASE_URL'),
};

export const previewSettings = {
  SANDLOT_PREVIEW_DOMAIN: z
    .string()
    .max(120)
    .regex(/^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?(?::[1-9]\d{0,4})?$/)
    .optional()
    .describe('domain[:port] whose subdomains are addresses of single sandboxes; nothing else may be on it. Without it there are none'),
  SANDLOT_PREVIEW_KEY: secret(z.string().min(32))
    .optional()
    .describe(
      'at least 32 characters that the proxies and the gateway share, to sign links to previews; default: one made from SANDLOT_IDENTITY_KEY',
    ),
};

export const identitySettings = {
  SANDLOT_IDENTITY_KEY: secret(z.string().min(32)).describe('at least 32 characters that the proxy and the gateway share'),
};
