/** Everything that a runtime can be told; `main.ts` fills it from the environment, tests by hand. */
export interface RuntimeOptions {
  /** Address to listen on. Default 0.0.0.0: the proxy in front decides who gets here. */
  host?: string;
  /** Port to listen on; 0 picks a free one. Default 8888. */
  port?: number;
  /** Existing folder where commands start and that files are confined to. Default: the current folder. */
  workFolder?: string;
  /** Environment of every command, on top of HOME (the work folder), PATH and LANG. Default: nothing. */
  env?: Record<string, string>;
  /** Marks the processes of this runtime's commands, so that they are found again after it was killed. Default: random. */
  id?: string;
  /** Bytes kept of each of stdout and stderr in a buffered answer. Default 10 MiB. */
  maxOutputBytes?: number;
  /** Largest file that can be uploaded, in bytes. Default 1 GiB. */
  maxUploadBytes?: number;
  /** All files of an imported workspace together, in bytes. Default 10 GiB. */
  maxWorkspaceBytes?: number;
  /** Entries of an imported workspace. Default 1,000,000. */
  maxWorkspaceEntries?: number;
  /** Commands running at once; one more gets 429. Default 16. */
  maxExecutions?: number;
  /** Milliseconds between SIGTERM and SIGKILL for a command that has to end. Default 2000. */
  killGraceMs?: number;
}

const names = {
  SANDLOT_RUNTIME_HOST: (text: string): RuntimeOptions => ({ host: text }),
  SANDLOT_RUNTIME_PORT: (text: string): RuntimeOptions => ({ port: integer(text, 0, 65_535) }),
  SANDLOT_RUNTIME_WORKDIR: (text: string): RuntimeOptions => ({ workFolder: text }),
  SANDLOT_RUNTIME_ENV: (text: string): RuntimeOptions => ({ env: stringMap(text) }),
  SANDLOT_RUNTIME_ID: (text: string): RuntimeOptions => ({ id: identifier(text) }),
  SANDLOT_RUNTIME_MAX_OUTPUT_BYTES: (text: string): RuntimeOptions => ({ maxOutputBytes: integer(text, 0, 1024 ** 3) }),
  SANDLOT_RUNTIME_MAX_UPLOAD_BYTES: (text: string): RuntimeOptions => ({ maxUploadBytes: integer(text, 0, Number.MAX_SAFE_INTEGER) }),
  SANDLOT_RUNTIME_MAX_WORKSPACE_BYTES: (text: string): RuntimeOptions => ({ maxWorkspaceBytes: integer(text, 0, Number.MAX_SAFE_INTEGER) }),
  SANDLOT_RUNTIME_MAX_WORKSPACE_ENTRIES: (text: string): RuntimeOptions => ({ maxWorkspaceEntries: integer(text, 1, 100_000_000) }),
  SANDLOT_RUNTIME_MAX_EXECUTIONS: (text: string): RuntimeOptions => ({ maxExecutions: integer(text, 1, 10_000) }),
  SANDLOT_RUNTIME_KILL_GRACE_MS: (text: string): RuntimeOptions => ({ killGraceMs: integer(text, 0, 60_000) }),
};

/** Of the runtime's own environment only these reach a command; everything else may be somebody's secret. */
const inherited = ['PATH', 'LANG', 'TERM', 'TZ', 'USER'];
/** Names more of them, separated by commas: what a container's environment holds for the commands, secrets included. */
const passName = 'SANDLOT_RUNTIME_PASS';

/**
 * Reads the options from an environment. `exitWithStdin` says that the end of stdin means the end of the parent.
 * Throws one error that lists every bad variable; an unknown SANDLOT_RUNTIME_ name is bad.
 */
export function optionsFromEnvironment(environment: NodeJS.ProcessEnv): { options: RuntimeOptions; exitWithStdin: boolean } {
  const options: RuntimeOptions = {};
  const faults: string[] = [];
  const passed: string[] = [];
  let exitWithStdin = false;

  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith('SANDLOT_RUNTIME_') || !text) continue;
    try {
      if (name === 'SANDLOT_RUNTIME_EXIT_WITH_STDIN') exitWithStdin = integer(text, 0, 1) === 1;
      else if (Object.hasOwn(names, name)) Object.assign(options, names[name as keyof typeof names](text));
      else if (name === passName) passed.push(...variableNames(text));
      else
        faults.push(`${name} is not known; known are ${[...Object.keys(names), passName].join(', ')} and SANDLOT_RUNTIME_EXIT_WITH_STDIN`);
    } catch (error) {
      // A value is never repeated: SANDLOT_RUNTIME_ENV may hold secrets.
      faults.push(`${name} ${(error as Error).message}`);
    }
  }
  if (faults.length > 0) throw new Error(faults.join('; '));

  const host = Object.fromEntries([
    ...inherited.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])),
    ...passed.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  ]);
  return { options: { ...options, env: { ...host, ...options.env } }, exitWithStdin };
}

function integer(text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) throw new Error(`must be a whole number from ${min} to ${max}`);
  return value;
}

function identifier(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) throw new Error('must be 1 to 64 letters, digits, - or _');
  return text;
}

function variableNames(text: string): string[] {
  const variables = text.split(',');
  if (!variables.every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name))) throw new Error('must be names of variables, separated by commas');
  return variables;
}

function stringMap(text: string): Record<string, string> {
  const fault = new Error('must be a JSON object whose names are variable names and whose values are strings');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fault;
  }
  if (!isEnvironment(value)) throw fault;
  return value;
}

/** Whether a value can be the environment of a process. */
export function isEnvironment(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([name, entry]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && typeof entry === 'string' && !entry.includes('\0'),
  );
}
