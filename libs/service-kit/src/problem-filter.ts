import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { DomainError, type ErrorCode } from '@sandlot/kernel';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { logger } from './logging.js';
import { problem, toDomainError, validationFailed } from './problem.js';

/** Tells the proxy which refusal an answer is, for the trail. The proxy takes it off. */
export const CODE_HEADER = 'x-sandlot-code';

/** Turns whatever a request ended in into a problem. What is no refusal is logged, once, with its causes, and told to nobody. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  /** @param allowed the methods that the application has for a path */
  constructor(
    private readonly allowed: (path: string) => string[],
    private readonly bodyLimitBytes: number,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const refusal = toDomainError(this.refusalOf(error, request));
    if (refusal.code === 'INTERNAL')
      logger.error({ err: error, method: request.method, route: request.routeOptions.url }, 'a request failed');
    if (reply.sent || reply.raw.headersSent) return void reply.raw.destroy(); // half an answer must not look whole
    sendProblem(reply, refusal, request.id);
  }

  private refusalOf(error: unknown, request: FastifyRequest): unknown {
    if (request.is404) return this.notRouted(request);
    return fromFramework(error, this.bodyLimitBytes);
  }

  private notRouted(request: FastifyRequest): DomainError {
    const allow = this.allowed(request.url.split('?', 1)[0]!);
    if (allow.length === 0) return new DomainError('NOT_FOUND', 'There is nothing at this path.');
    return new DomainError('METHOD_NOT_ALLOWED', `${request.method} is not allowed here.`, { allow });
  }
}

export function sendProblem(reply: FastifyReply, error: unknown, requestId: string): void {
  const { status, headers, body } = problem(error, { requestId });
  void reply.status(status).headers(headers).header(CODE_HEADER, body.code).send(JSON.stringify(body));
}

/** What Fastify, Nest or zod found fault with, as a refusal; anything else as it is. */
export function fromFramework(error: unknown, limitBytes: number): unknown {
  if (error instanceof z.ZodError) return validationFailed(error.issues);
  const status = error instanceof HttpException ? error.getStatus() : (error as { statusCode?: unknown } | undefined)?.statusCode;
  if (error instanceof DomainError || typeof status !== 'number') return error;
  const code = codeOf(status);
  if (!code) return error;
  return new DomainError(code, (error as Error).message, code === 'BODY_TOO_LARGE' ? { limitBytes } : {}, { cause: error });
}

/** The refusal that a status of the framework stands for. What is our fault is none. */
function codeOf(status: number): ErrorCode | undefined {
  const codes: Record<number, ErrorCode> = {
    401: 'UNAUTHENTICATED',
    403: 'FORBIDDEN',
    404: 'NOT_FOUND',
    405: 'METHOD_NOT_ALLOWED',
    406: 'NOT_ACCEPTABLE',
    413: 'BODY_TOO_LARGE',
    414: 'URI_TOO_LONG',
    415: 'UNSUPPORTED_MEDIA_TYPE',
    422: 'VALIDATION_FAILED',
    429: 'RATE_LIMITED',
    431: 'HEADERS_TOO_LARGE',
    503: 'UNAVAILABLE',
  };
  return codes[status] ?? (status >= 400 && status < 500 ? 'MALFORMED_REQUEST' : undefined);
}
