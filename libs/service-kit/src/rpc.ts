import {
  applyDecorators,
  Catch,
  Logger,
  UseFilters,
  UsePipes,
  type ArgumentsHost,
  type PipeTransform,
  type RpcExceptionFilter,
} from '@nestjs/common';
import { MessagePattern, Transport } from '@nestjs/microservices';
import type { Message } from '@sandlot/contracts';
import { DomainError, errorTable, type ErrorCode } from '@sandlot/kernel';
import { throwError, type Observable } from 'rxjs';
import type { z } from 'zod';
import { toDomainError, validationFailed } from './problem.js';

/** A refusal on its way from one service to another. */
export interface RpcError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: Record<string, unknown>;
}

/**
 * Makes a controller's method answer the message. The method gets the request parsed by its schema (its first parameter, or the one
 * with `@Payload()`); a DomainError that it throws reaches the caller as it is, anything else as INTERNAL and is logged here, once.
 */
export function Handles<M extends Message>(message: M): HandlerDecorator<M> {
  return applyDecorators(
    MessagePattern(message.subject, Transport.NATS),
    UsePipes(new RequestPipe(message)),
    UseFilters(new RpcErrorFilter(message)),
  ) as HandlerDecorator<M>;
}

type ReplyTo<M extends Message> = z.input<M['reply']>;
/** Only on a method that takes the message's request and gives its reply. */
type HandlerDecorator<M extends Message> = <
  Handler extends (request: z.output<M['request']>, ...rest: never[]) => ReplyTo<M> | Promise<ReplyTo<M>>,
>(
  target: object,
  key: string | symbol,
  descriptor: TypedPropertyDescriptor<Handler>,
) => void;

export class RequestPipe implements PipeTransform {
  constructor(private readonly message: Message) {}

  transform(value: unknown, { type }: { type: string }): unknown {
    if (type !== 'body') return value;
    const parsed = this.message.request.safeParse(value);
    if (!parsed.success) throw validationFailed(parsed.error.issues);
    return parsed.data;
  }
}

@Catch()
export class RpcErrorFilter implements RpcExceptionFilter {
  private readonly logger = new Logger('Rpc');

  constructor(private readonly message: Message) {}

  catch(error: unknown, _host: ArgumentsHost): Observable<never> {
    const { code, message, details } = toDomainError(error);
    if (code === 'INTERNAL') this.logger.error({ err: error, subject: this.message.subject, msg: 'a message failed' });
    return throwError((): RpcError => ({ code, message, details }));
  }
}

/** The refusal that another service answered with. What cannot be understood as one is INTERNAL. */
export function fromRpcError(subject: string, error: unknown): DomainError {
  const { code, message, details } = (typeof error === 'object' && error !== null ? error : {}) as Partial<RpcError>;
  if (typeof code === 'string' && Object.hasOwn(errorTable, code) && typeof message === 'string')
    return new DomainError(code, message, { ...details });
  return new DomainError('INTERNAL', `${subject} failed`, {}, { cause: error });
}
