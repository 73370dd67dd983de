import { isEnvironment } from '../options.js';
import { Problem, type FieldError } from '../http/problem.js';

/** The body of `POST /execute`. */
export interface ExecuteRequest {
  command: string;
  /** Seconds, fractions allowed. */
  timeout: number;
  /** Relative to the work folder. */
  cwd: string;
  env: Record<string, string>;
}

const defaultTimeoutSeconds = 60;
const maxTimeoutSeconds = 3600;
/** Linux refuses a longer single argument (MAX_ARG_STRLEN, with its closing NUL). */
const maxCommandBytes = 128 * 1024 - 1;

const rules: Record<keyof ExecuteRequest, { valid: (value: unknown) => boolean; must: string }> = {
  command: {
    valid: (value) => typeof value === 'string' && value !== '' && !value.includes('\0') && Buffer.byteLength(value) <= maxCommandBytes,
    must: `must be a text of 1 to ${maxCommandBytes} bytes without NUL`,
  },
  timeout: {
    valid: (value) => value === undefined || (typeof value === 'number' && value > 0 && value <= maxTimeoutSeconds),
    must: `must be a number of seconds, more than 0 and at most ${maxTimeoutSeconds}`,
  },
  cwd: { valid: (value) => value === undefined || typeof value === 'string', must: 'must be a path relative to the work folder' },
  env: {
    valid: (value) => value === undefined || isEnvironment(value),
    must: 'must be an object whose names are variable names and whose values are texts without NUL',
  },
};

/** 422 naming every field that is wrong. An unknown field is wrong: ignored, it would surprise whoever sent it. */
export function parseExecuteRequest(body: unknown): ExecuteRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid([{ pointer: '', detail: 'must be an object' }]);
  const fields = body as Record<string, unknown>;
  const wrong = Object.entries(rules).flatMap(([name, rule]) =>
    rule.valid(fields[name]) ? [] : [{ pointer: `/${name}`, detail: rule.must }],
  );
  const unknown = Object.keys(fields).filter((name) => !Object.hasOwn(rules, name));
  const errors = [...wrong, ...unknown.map((name) => ({ pointer: `/${name}`, detail: 'is not a field of this request' }))];
  if (errors.length > 0) throw invalid(errors);
  return { timeout: defaultTimeoutSeconds, cwd: '.', env: {}, ...(fields as Partial<ExecuteRequest> & { command: string }) };
}

export function invalid(errors: FieldError[]): Problem {
  return new Problem('VALIDATION_FAILED', errors.map(({ pointer, detail }) => `${pointer || 'body'} ${detail}`).join('; '), { errors });
}
