import { type z } from 'zod';

/**
 * Every setting of every service. A service that runs alone does not load the others' configuration, yet must not refuse what
 * is meant for them: one environment may serve all. The standalone service loads all of them and tests this list.
 */
export const allSettings: readonly string[] = [
  'SANDLOT_ACCESS_LOG',
  'SANDLOT_ACCESS_OVERFLOW',
  'SANDLOT_ACCESS_RETENTION_DAYS',
  'SANDLOT_ADMIN_KEY_PATH',
  'SANDLOT_ALLOWED_BUCKETS',
  'SANDLOT_ALLOWED_IMAGES',
  'SANDLOT_ALLOWED_NODE_LABELS',
  'SANDLOT_ALLOWED_RUNTIME_CLASSES',
  'SANDLOT_ALLOWED_STORAGE_CLASSES',
  'SANDLOT_ALLOWED_TAINTS',
  'SANDLOT_BACKUP_MAX_AGE',
  'SANDLOT_CRASH_AT',
  'SANDLOT_DATABASE_READER_URL',
  'SANDLOT_DATABASE_URL',
  'SANDLOT_DATABASE_URLS_DIR',
  'SANDLOT_DATA_DIR',
  'SANDLOT_DEFAULT_CPU',
  'SANDLOT_DEFAULT_CPU_REQUEST',
  'SANDLOT_DEFAULT_DISK',
  'SANDLOT_DEFAULT_IMAGE',
  'SANDLOT_DEFAULT_MEMORY',
  'SANDLOT_DEFAULT_MEMORY_REQUEST',
  'SANDLOT_DEFAULT_RUNTIME_CLASS',
  'SANDLOT_DISCOVERY',
  'SANDLOT_DISCOVERY_PORT',
  'SANDLOT_DISCOVERY_REFRESH',
  'SANDLOT_DISCOVERY_SHARED',
  'SANDLOT_DNS_PEERS',
  'SANDLOT_EGRESS',
  'SANDLOT_EGRESS_DENY',
  'SANDLOT_EGRESS_PEERS',
  'SANDLOT_EXPIRY_WARNING',
  'SANDLOT_GATEWAY_HOST',
  'SANDLOT_GATEWAY_PORT',
  'SANDLOT_GATEWAY_URL',
  'SANDLOT_HOST',
  'SANDLOT_IDENTITY_KEY',
  'SANDLOT_IDLE_TIMEOUT',
  'SANDLOT_IMAGE_PULL_POLICY',
  'SANDLOT_IMAGE_PULL_SECRETS',
  'SANDLOT_JWT_ISSUERS',
  'SANDLOT_JWT_SECRET',
  'SANDLOT_KUBECONFIG',
  'SANDLOT_KUBERNETES_BURST',
  'SANDLOT_KUBERNETES_NAMESPACES',
  'SANDLOT_KUBERNETES_REQUESTS_PER_SECOND',
  'SANDLOT_LOG_LEVEL',
  'SANDLOT_MASTER_KEY_PATH',
  'SANDLOT_MAX_CONNECTIONS_PER_USER',
  'SANDLOT_MAX_DISK',
  'SANDLOT_MAX_REQUESTS_PER_SECOND',
  'SANDLOT_MAX_REQUESTS_PER_SECOND_PER_SANDBOX',
  'SANDLOT_MAX_REQUESTS_PER_SECOND_PER_USER',
  'SANDLOT_MAX_REQUESTS_PER_USER',
  'SANDLOT_METRICS_HOST',
  'SANDLOT_METRICS_PORT',
  'SANDLOT_METRICS_SANDBOXES',
  'SANDLOT_NAMESPACE_PREFIX',
  'SANDLOT_NATS_CREDS',
  'SANDLOT_NATS_MONITORING_URLS',
  'SANDLOT_NATS_NKEY',
  'SANDLOT_NATS_SERVER',
  'SANDLOT_NATS_TLS_CA',
  'SANDLOT_NATS_TLS_CERT',
  'SANDLOT_NATS_TLS_KEY',
  'SANDLOT_NATS_URL',
  'SANDLOT_POD_SECURITY',
  'SANDLOT_PORT',
  'SANDLOT_PREVIEW_DOMAIN',
  'SANDLOT_PREVIEW_KEY',
  'SANDLOT_PROXY_PEERS',
  'SANDLOT_QUOTA_CPU',
  'SANDLOT_QUOTA_MEMORY',
  'SANDLOT_QUOTA_SANDBOXES',
  'SANDLOT_RELAXED_IMAGES',
  'SANDLOT_ROUTE_BY',
  'SANDLOT_RUNTIME',
  'SANDLOT_SANDBOX_PATH',
  'SANDLOT_SERVICE_ACCOUNT_ANNOTATIONS',
  'SANDLOT_STOP_GRACE_SECONDS',
  'SANDLOT_STORAGE_CLASS',
  'SANDLOT_STREAM_REPLICAS',
  'SANDLOT_TLS_CERT_FILE',
  'SANDLOT_TLS_CLIENT_CA_FILE',
  'SANDLOT_TLS_CLIENT_USER',
  'SANDLOT_TLS_KEY_FILE',
  'SANDLOT_TRUSTED_PROXIES',
  'SANDLOT_TUNNEL_IDLE_TIMEOUT',
  'SANDLOT_URL',
  'SANDLOT_USAGE_RETENTION_DAYS',
  'SANDLOT_WAKE_TIMEOUT',
  'SANDLOT_WEBSOCKET_IDLE_TIMEOUT',
];

const defined = new Map<string, z.ZodType>();

export interface SettingInfo {
  readonly description?: string;
  /** Never shown: not in errors, logs or answers. May come from a file. */
  readonly secret: boolean;
  /** May come from a file, though it is no secret. */
  readonly file: boolean;
  /** As one would write it. */
  readonly default?: unknown;
  readonly required: boolean;
}

/** Marks the value as secret: never shown, and readable from the file that `<name>_FILE` names. */
export function secret<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ ...schema.meta(), secret: true }) as Schema;
}

/** May be read from the file that `<name>_FILE` names, as certificates usually are. */
export function orFile<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ ...schema.meta(), file: true }) as Schema;
}

export function knownSettings(): ReadonlySet<string> {
  return new Set([...allSettings, ...defined.keys()]);
}

/** The names that the configurations loaded in this process define. For the test that `allSettings` is complete and has no more. */
export function definedSettings(): string[] {
  return [...defined.keys()].sort();
}

export function registerSettings(schema: z.ZodObject): void {
  for (const [name, setting] of Object.entries(schema.shape)) {
    if (!/^SANDLOT_[A-Z0-9_]+$/.test(name)) throw new TypeError(`a setting must be named SANDLOT_…, not ${name}`);
    if (!settingInfo(setting as z.ZodType).description) throw new TypeError(`the setting ${name} has no description`);
    defined.set(name, setting as z.ZodType);
  }
}

export function settingInfo(schema: z.ZodType): SettingInfo {
  let info: { description?: string; secret?: boolean; file?: boolean } = {};
  let fallback: unknown;
  for (let inner: z.ZodType | undefined = schema; inner; inner = wrapped(inner)) {
    info = { ...inner.meta(), ...info };
    fallback ??= (inner.def as { defaultValue?: unknown }).defaultValue;
  }
  return {
    description: info.description,
    secret: info.secret === true,
    file: info.file === true,
    required: !schema.safeParse(undefined).success,
    ...(fallback !== undefined && fallback !== '' && { default: fallback }),
  };
}

/** A Markdown table of the settings of these services, for docs/reference/settings.md. */
export function describeSettings(services: readonly { name: string; config: { schema: z.ZodObject } }[]): string {
  const readers = new Map<string, { info: SettingInfo; by: string[] }>();
  for (const { name: service, config } of services) {
    for (const [name, schema] of Object.entries(config.schema.shape)) {
      const entry = readers.get(name) ?? { info: settingInfo(schema as z.ZodType), by: [] };
      readers.set(name, { ...entry, by: [...entry.by, service] });
    }
  }
  const rows = [...readers]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, { info, by }]) => {
      const fallback = info.required ? 'required' : info.default === undefined ? '' : `\`${String(info.default)}\``;
      const notes = [info.description, info.secret || info.file ? `also as \`${name}_FILE\`` : ''].filter(Boolean).join('; ');
      return `| \`${name}\` | ${fallback} | ${notes.replaceAll('|', '\\|')} | ${by.join(', ')} |`;
    });
  return ['| Setting | Default | What it is | Read by |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** The known name that is fewest typing errors away, if it is near enough to be meant. */
export function nearestSetting(name: string): string | undefined {
  const near = [...knownSettings()].map((known) => ({ known, distance: distance(name, known) })).sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= Math.max(3, name.length / 3) ? near.known : undefined;
}

function wrapped(schema: z.ZodType): z.ZodType | undefined {
  const { innerType, in: input } = schema.def as { innerType?: z.ZodType; in?: z.ZodType };
  return innerType ?? input;
}

/** Levenshtein's: insertions, deletions and replacements of single characters. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
