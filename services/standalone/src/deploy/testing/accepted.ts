import { adminConfig } from '@sandlot/admin';
import { auditService } from '@sandlot/audit';
import { authService } from '@sandlot/auth';
import { gatewayService } from '@sandlot/gateway';
import { provisionerService } from '@sandlot/provisioner';
import { proxyService } from '@sandlot/proxy';
import { ConfigError, loadConfig, type ConfigDefinition } from '@sandlot/service-kit';
import { migrateConfig } from '../../config.js';

const configs: Record<string, ConfigDefinition> = {
  auth: authService.config,
  provisioner: provisionerService.config,
  audit: auditService.config,
  gateway: gatewayService.config,
  proxy: proxyService.config,
  migrate: migrateConfig,
};
export const programs = Object.keys(configs);
/** The names of everything that the program can be told. */
export const settingsOf = (program: string): string[] => Object.keys(configs[program]!.schema.shape);
/** Not running all the time, and so not in every installation. */
const others: Record<string, ConfigDefinition> = { admin: adminConfig };

/** What the files of keys would hold. */
const samples: Record<string, string> = {
  SANDLOT_NATS_NKEY: 'SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY',
  SANDLOT_NATS_TLS_CA: '-----BEGIN CERTIFICATE-----',
  SANDLOT_DATABASE_URL: 'postgres://user:password@host:5432/database',
  SANDLOT_DATABASE_READER_URL: 'postgres://user:password@host:5432/database',
  SANDLOT_NATS_TLS_CERT: '-----BEGIN CERTIFICATE-----',
  SANDLOT_NATS_TLS_KEY: '-----BEGIN PRIVATE KEY-----',
  SANDLOT_IDENTITY_KEY: 'k'.repeat(32),
  SANDLOT_PREVIEW_KEY: 'k'.repeat(32),
  SANDLOT_JWT_SECRET: 'k'.repeat(32),
};

/** Everything that the program would complain about when it is started with this environment; settings of other programs too. */
export function complaints(program: string, environment: Readonly<Record<string, string>>): string[] {
  const config = configs[program] ?? others[program];
  if (!config) return [`there is no program ${program}`];
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    const read = name.endsWith('_FILE') ? name.slice(0, -'_FILE'.length) : name;
    if (read === name) env[name] = value;
    else if (samples[read]) env[read] = samples[read];
    else env[name] = value;
  }
  const foreign = Object.keys(env).filter((name) => name.startsWith('SANDLOT_') && !(name in config.schema.shape));
  try {
    loadConfig(config, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [...foreign.map((name) => `${name} is no setting of ${program}`), ...error.problems];
  }
  return foreign.map((name) => `${name} is no setting of ${program}`);
}
