import { readFileSync } from 'node:fs';
import { type z } from 'zod';
import { knownSettings, nearestSetting, registerSettings, settingInfo } from './known-settings.js';

/** The settings that one service reads: an object schema whose keys are `SANDLOT_…` variables, each with a description. */
export interface ConfigDefinition<Schema extends z.ZodObject = z.ZodObject> {
  readonly schema: Schema;
}
export type ConfigOf<Definition extends ConfigDefinition> = z.output<Definition['schema']>;

export type SettingSource = 'environment' | 'file' | 'default';

export interface LoadedConfig<Definition extends ConfigDefinition = ConfigDefinition> {
  readonly values: ConfigOf<Definition>;
  /** Where each value came from: the variable itself, the file that its `…_FILE` names, or neither. */
  readonly sources: Readonly<Record<keyof ConfigOf<Definition> & string, SettingSource>>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Everything that is wrong with the settings, all at once. Printed without a stack; the process ends with exit code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`the settings are not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

export function defineConfig<Schema extends z.ZodObject>(schema: Schema): ConfigDefinition<Schema> {
  registerSettings(schema);
  return { schema };
}

/**
 * Reads the settings. A variable that is empty counts as not set. Secrets and certificates may stand in a file instead, which
 * `<name>_FILE` names. Throws a ConfigError that lists every bad, missing and unknown variable; values of secrets are never in it.
 */
export function loadConfig<Schema extends z.ZodObject>(
  definition: ConfigDefinition<Schema>,
  env: Environment,
): LoadedConfig<ConfigDefinition<Schema>> {
  const names = Object.keys(definition.schema.shape);
  const problems: string[] = [];
  const raw: Record<string, string> = {};
  const sources: Record<string, SettingSource> = {};
  for (const name of names) {
    const found = readSetting(name, definition.schema.shape[name] as z.ZodType, env);
    sources[name] = found.source;
    if (found.problem) problems.push(found.problem);
    if (found.value !== undefined) raw[name] = found.value;
  }
  const unreadable = new Set(problems.length > 0 ? names.filter((name) => raw[name] === undefined && sources[name] === 'file') : []);
  const parsed = definition.schema.safeParse(raw);
  if (!parsed.success) problems.push(...explain(parsed.error, definition.schema, raw, unreadable));
  problems.push(...unknownSettings(env));
  if (problems.length > 0 || !parsed.success) throw new ConfigError([...new Set(problems)]);
  return { values: parsed.data, sources: sources as LoadedConfig<ConfigDefinition<Schema>>['sources'] };
}

interface Found {
  source: SettingSource;
  value?: string;
  problem?: string;
}

function readSetting(name: string, schema: z.ZodType, env: Environment): Found {
  const value = env[name] || undefined;
  const file = env[`${name}_FILE`] || undefined;
  if (file === undefined) return { source: value === undefined ? 'default' : 'environment', value };
  const { secret, file: mayBeFile } = settingInfo(schema);
  if (!secret && !mayBeFile)
    return { source: 'file', value, problem: `${name}_FILE: ${name} cannot be read from a file; set ${name} itself` };
  if (value !== undefined) return { source: 'environment', value, problem: `${name} and ${name}_FILE are both set; keep one` };
  try {
    return { source: 'file', value: readFileSync(file, 'utf8').trim() };
  } catch (error) {
    return { source: 'file', problem: `${name}_FILE: cannot read ${file} (${(error as NodeJS.ErrnoException).code})` };
  }
}

function explain(error: z.ZodError, schema: z.ZodObject, raw: Record<string, string>, unreadable: ReadonlySet<string>): string[] {
  return error.issues.flatMap((issue) => {
    const name = String(issue.path[0] ?? '');
    if (unreadable.has(name)) return [];
    if (!name) return [issue.message];
    const { secret, description } = settingInfo(schema.shape[name] as z.ZodType);
    const value = raw[name];
    const expected = description ? `; expected: ${description}` : '';
    if (value === undefined) return [`${name} is required${expected}`];
    if (/^(tcp|udp):\/\//.test(value) && name.endsWith('_PORT'))
      return [`${name}: Kubernetes has set this for a Service of that name; set enableServiceLinks: false on the Pod${expected}`];
    return [`${name}${secret ? '' : `=${JSON.stringify(value)}`}: ${secret ? 'is not valid' : issue.message}${expected}`];
  });
}

// What Kubernetes sets for every Service of the namespace, unless enableServiceLinks is off; a Service of ours begins with our prefix.
const serviceLink = /_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?$/;

function unknownSettings(env: Environment): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('SANDLOT_') && !isKnown(name))
    .filter((name) => !serviceLink.test(name) && !(name.endsWith('_PORT') && env[name]?.includes('://')))
    .sort()
    .map((name) => {
      const nearest = nearestSetting(name);
      return `${name} is not a setting${nearest ? `; did you mean ${nearest}?` : ''}`;
    });
}

function isKnown(name: string): boolean {
  const known = knownSettings();
  return known.has(name) || (name.endsWith('_FILE') && known.has(name.slice(0, -'_FILE'.length)));
}
