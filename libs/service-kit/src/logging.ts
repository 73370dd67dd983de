import type { LoggerService } from '@nestjs/common';
import { DomainError } from '@sandlot/kernel';
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { requestContext } from './request-context.js';

export type Log = PinoLogger;

/** Fields whose values are never written, wherever they stand. */
const redactedFields = new Set([
  'authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'x-sandlot-identity', 'apikey', 'email', 'displayname', 'password',
  'secret', 'token', 'seed',
]); // prettier-ignore

// What is secret by its looks, whatever field or message it stands in.
const apiKey = /slk_[0-9A-Za-z]{49}/g;
const userinfo = /(?<=:\/\/)[^\s/"@]+@/g;
const email = /[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}/g;

/** One JSON object a line. A line is a constant message and fields: `logger.info({ sandboxId }, 'sandbox started')`. */
export function createLogger({ level = 'info', destination }: { level?: string; destination?: DestinationStream } = {}): Log {
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: redactFields, bindings: redactFields },
      serializers: { err: (error: unknown) => error }, // redactFields has described it
      mixin: contextFields,
      hooks: { streamWrite: redactText },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  );
}

/** The process's log. Its level is set at the start from SANDLOT_LOG_LEVEL. */
export const logger: Log = createLogger();

export function redactText(text: string): string {
  return text.replace(apiKey, 'slk_[redacted]').replace(userinfo, '[redacted]@').replace(email, '[email]');
}

/** Nest's own log lines, and those of classes that use Nest's Logger, in our log. */
export class NestLog implements LoggerService {
  constructor(private readonly target: Log = logger) {}

  log(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest); // Nest tells of every module and route at this level
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }

  /** Nest's Logger passes the message, then perhaps fields, more messages or a stack, then the name of the class. */
  private write(level: 'trace' | 'debug' | 'warn' | 'error' | 'fatal', message: unknown, rest: unknown[]): void {
    const component = typeof rest.at(-1) === 'string' ? rest.at(-1) : undefined;
    if (message instanceof Error) return this.target[level]({ component, err: message }, 'unexpected error');
    const [more] = rest;
    const details = typeof more === 'object' && more !== null && !(more instanceof Error) ? more : {};
    if (typeof message !== 'object' || message === null) return this.target[level]({ component, ...details }, String(message));
    const { msg, ...fields } = message as Record<string, unknown>;
    this.target[level]({ component, ...fields }, typeof msg === 'string' ? msg : 'event');
  }
}

function contextFields(): Record<string, unknown> {
  const { service, requestId, traceparent, userId } = requestContext();
  return {
    ...(service && { service }),
    ...(requestId && { requestId }),
    ...(traceparent && { traceId: traceparent.slice(3, 35) }),
    ...(userId && { userId }),
  };
}

function redactFields(fields: object): Record<string, unknown> {
  return redact(fields) as Record<string, unknown>;
}

function redact(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return describeError(value);
  if (value instanceof Date || Buffer.isBuffer(value)) return value instanceof Date ? value : `[${value.length} bytes]`;
  if (depth > 6) return '[deep]';
  if (Array.isArray(value)) return value.slice(0, 100).map((entry) => redact(entry, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [name, redactedFields.has(name.toLowerCase()) ? '[redacted]' : redact(entry, depth + 1)]),
  );
}

/** The error and what caused it. A stack only for what is a mistake of ours, of the innermost error that has one. */
export function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, cause, stack } = error;
  const code = (error as NodeJS.ErrnoException).code;
  const expected = error instanceof DomainError || (typeof code === 'string' && /^E[A-Z]+$/.test(code));
  const innermost = !(cause instanceof Error);
  return {
    type: name,
    message,
    ...(code !== undefined && { code }),
    ...(cause !== undefined && depth < 5 && { cause: describeError(cause, depth + 1) }),
    ...(innermost && !expected && { stack }),
  };
}

/** `cannot open the log: connect ECONNREFUSED 127.0.0.1:4222`: the error and its causes in one line. */
export function errorChain(error: unknown): string {
  const messages: string[] = [];
  for (let current = error; current !== undefined && messages.length < 6; current = current instanceof Error ? current.cause : undefined) {
    const message = current instanceof Error ? current.message || current.name : String(current);
    if (!messages.at(-1)?.includes(message)) messages.push(message);
  }
  return redactText(messages.join(': '));
}
