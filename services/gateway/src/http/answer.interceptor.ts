import { createParamDecorator, Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { DomainError } from '@sandlot/kernel';
import type { FastifyReply } from 'fastify';
import { map, type Observable } from 'rxjs';
import { Answer, POSITION_HEADER } from './answer.js';
import { headerOf, type ApiRequest } from './api-request.js';
import { documentsHeader } from './operation.js';
import { isKnown } from './preconditions.js';
import { RecentPositions } from './recent-positions.js';

/** Which position a query must know at least, as a parameter: what the request says, or the last that the caller was told. */
export const AtLeast = createParamDecorator(
  (_: unknown, context: ExecutionContext) => context.switchToHttp().getRequest<ApiRequest>().atLeast,
  [
    documentsHeader({
      name: 'Sandlot-Position',
      description: 'Wait until the answer knows this position of the log, as a change gave it.',
      pattern: '^\\d{0,15}$',
    }),
  ],
);

/** Sends an Answer with its status and headers; a GET whose ETag the caller has already is 304. */
@Injectable()
export class AnswerInterceptor implements NestInterceptor {
  constructor(private readonly positions: RecentPositions) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<ApiRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    request.atLeast = this.atLeast(request);
    void reply.header('cache-control', 'no-store');
    return next.handle().pipe(map((result) => (result instanceof Answer ? this.send(result, request, reply) : result)));
  }

  private send({ status, headers, body }: Answer, request: ApiRequest, reply: FastifyReply): unknown {
    const position = Number(headers[POSITION_HEADER] ?? 0);
    if (request.caller && position > 0) this.positions.note(request.caller.userId, position);
    void reply.headers(headers);
    const reading = request.method === 'GET' || request.method === 'HEAD';
    if (reading && headers.etag) void reply.header('cache-control', 'private, no-cache');
    const known = reading && headers.etag !== undefined && isKnown(headerOf(request, 'if-none-match'), headers.etag);
    void reply.status(known ? 304 : status);
    return known ? undefined : body;
  }

  private atLeast(request: ApiRequest): number | undefined {
    const asked = headerOf(request, POSITION_HEADER);
    if (asked !== undefined && !/^\d{1,15}$/.test(asked))
      throw new DomainError('MALFORMED_REQUEST', 'Sandlot-Position must be a whole number.');
    const known = request.caller && this.positions.of(request.caller.userId);
    return asked === undefined ? known : Math.max(Number(asked), known ?? 0);
  }
}
