import type { StopCode } from './read-model.js';

/** The log is not what it was or must be. Nothing behind it is applied. */
export class Halt extends Error {
  override readonly name = 'Halt';

  constructor(
    readonly code: Exclude<StopCode, 'POISON' | 'UNAVAILABLE'>,
    message: string,
    readonly at?: number,
  ) {
    super(message);
  }
}

/** One event that this read model cannot take. */
export class Poison extends Error {
  override readonly name = 'Poison';

  constructor(
    readonly at: number,
    cause: unknown,
  ) {
    super(`position ${at} cannot be applied: ${messageOf(cause)}`, { cause });
  }
}

/** The checkpoint is not where this process left it: another one has gone on, or PostgreSQL has come back from an older state. */
export class Fenced extends Error {
  override readonly name = 'Fenced';
}

/** A server is away or overloaded; the same will work later. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';

  constructor(what: string, cause: unknown) {
    super(`${what}: ${messageOf(cause)}`, { cause });
  }
}

/** The first line: a zod error prints the value that it refused in the lines behind. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const issues = (error as { issues?: { path: PropertyKey[]; message: string }[] }).issues;
  if (Array.isArray(issues)) return issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  const message = error.message || (error as NodeJS.ErrnoException).code || error.name;
  return message.split('\n', 1)[0]!.slice(0, 300);
}
