import { type z } from 'zod';

/**
 * Every setting of every service. A service that runs alone does not load the others' configuration, yet must not refuse what
 * is meant for them: one environment may serve all. The standalone service loads all of them and tests this list.
 */
export const allSettings: readonly string[] = [
  'SANDLOT_ACCESS_LOG',
  'SANDLOT_ADMIN_KEY_PATH',
  'SANDLOT_CRASH_AT',
  'SANDLOT_DATABASE_READER_URL',
  'SANDLOT_DATABASE_URL',
  'SANDLOT_DATABASE_URLS_DIR',
  'SANDLOT_DATA_DIR',
  'SANDLOT_DEFAULT_IMAGE',
  'SANDLOT_GATEWAY_HOST',
  'SANDLOT_GATEWAY_PORT',
  'SANDLOT_GATEWAY_URL',
  'SANDLOT_HOST',
  'SANDLOT_IDENTITY_KEY',
  'SANDLOT_LOG_LEVEL',
  'SANDLOT_MASTER_KEY_PATH',
  'SANDLOT_METRICS_HOST',
  'SANDLOT_METRICS_PORT',
  'SANDLOT_NATS_CREDS',
  'SANDLOT_NATS_NKEY',
  'SANDLOT_NATS_SERVER',
  'SANDLOT_NATS_TLS_CA',
  'SANDLOT_NATS_TLS_CERT',
  'SANDLOT_NATS_TLS_KEY',
  'SANDLOT_NATS_URL',
  'SANDLOT_PORT',
  'SANDLOT_QUOTA_CPU',
  'SANDLOT_QUOTA_MEMORY',
  'SANDLOT_QUOTA_SANDBOXES',
  'SANDLOT_RUNTIME',
  'SANDLOT_SANDBOX_PATH',
];

const defined = new Map<string, z.ZodType>();

export interface SettingInfo {
  readonly description?: string;
  /** Never shown: not in errors, logs or answers. May come from a file. */
  readonly secret: boolean;
  /** May come from a file, though it is no secret. */
  readonly file: boolean;
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
  for (let inner: z.ZodType | undefined = schema; inner; inner = wrapped(inner)) info = { ...inner.meta(), ...info };
  const fallback = schema.safeParse(undefined);
  return {
    description: info.description,
    secret: info.secret === true,
    file: info.file === true,
    required: !fallback.success,
    ...(fallback.success && fallback.data !== undefined && { default: fallback.data }),
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
