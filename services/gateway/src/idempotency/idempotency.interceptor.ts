import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { DomainError, errorTable, type ErrorCode } from '@sandlot/kernel';
import { httpStatus, logger } from '@sandlot/service-kit';
import type { FastifyReply } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { Answer } from '../http/answer.js';
import { headerOf, type ApiRequest } from '../http/api-request.js';
import { waitIn } from '../http/prefer.js';
import { IdempotencyKeys, type Turn } from './idempotency-keys.js';

const changing = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);
/** Refusals that come before anything is tried. */
const untried = new Set<ErrorCode>(['VALIDATION_FAILED', 'MALFORMED_REQUEST']);

type Reply =
  | { answer: Pick<Answer, 'status' | 'headers' | 'body'> }
  | { refusal: { code: ErrorCode; message: string; details: Record<string, unknown> } };

/** Gives a request that is repeated with its Idempotency-Key the answer, or the refusal, that it got the first time. */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(private readonly keys: IdempotencyKeys) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<ApiRequest>();
    const key = changing.has(request.method) && request.caller ? keyOf(request.headers['idempotency-key']) : undefined;
    if (key === undefined) return next.handle();
    return from(this.once(request, context.switchToHttp().getResponse(), key, () => lastValueFrom(next.handle())));
  }

  private async once(request: ApiRequest, reply: FastifyReply, key: string, work: () => Promise<unknown>): Promise<unknown> {
    const path = request.url.split('?', 1)[0]!.replace(/(?<=.)\/+$/, '');
    const scope = { userId: request.caller!.userId, method: request.method, path, key };
    const admission = await this.keys.admit(scope, request.body, waitIn(headerOf(request, 'prefer')) * 1_000);
    if ('turn' in admission) return this.carryOut(request, admission.turn, work);
    void reply.header('idempotency-replayed', 'true');
    return replayed(admission.reply as Reply);
  }

  private async carryOut(request: ApiRequest, turn: Turn, work: () => Promise<unknown>): Promise<unknown> {
    request.commandId = turn.commandId;
    try {
      const answer = await work();
      if (!(answer instanceof Answer)) throw new TypeError(`${request.method} ${request.url} answers with something that cannot be kept`);
      const { status, headers, body } = answer;
      await kept(turn.answered({ answer: { status, headers, body } } satisfies Reply));
      return answer;
    } catch (error) {
      await kept(this.remember(turn, error));
      throw error;
    }
  }

  private remember(turn: Turn, error: unknown): Promise<void> {
    if (!(error instanceof DomainError) || httpStatus[error.code] >= 500 || errorTable[error.code].retryable) return turn.open();
    const { code, message, details } = error;
    return untried.has(code) ? turn.unused() : turn.answered({ refusal: { code, message, details } } satisfies Reply);
  }
}

/** The key, in quotes (RFC 9651 string) or without. */
export function keyOf(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const key = /^"([\x20\x21\x23-\x5b\x5d-\x7e]+)"$|^([\x21\x23-\x7e]+)$/.exec(String(header).trim());
  const value = key?.[1] ?? key?.[2];
  if (value === undefined || value.length > 255)
    throw new DomainError('MALFORMED_REQUEST', 'Idempotency-Key must be 1 to 255 printable ASCII characters.');
  return value;
}

function replayed(reply: Reply): Answer {
  if ('refusal' in reply) throw new DomainError(reply.refusal.code, reply.refusal.message, reply.refusal.details);
  return new Answer(reply.answer.status, reply.answer.headers, reply.answer.body);
}

/** What is done is done: a reply that cannot be kept must not turn it into a failure. A repetition is the same command all the same. */
async function kept(keeping: Promise<void>): Promise<void> {
  await keeping.catch((error: unknown) =>
    logger.warn({ err: error }, 'the outcome of a request with an Idempotency-Key could not be kept'),
  );
}
