import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { DomainError, newId, type CommandContext } from '@sandlot/kernel';
import type { ApiRequest } from './api-request.js';
import { documentsHeader } from './operation.js';

/** The command that the request stands for, as a parameter: who wants it, when, as part of what. */
export const Command = createParamDecorator(
  (_: unknown, context: ExecutionContext) => commandOf(context.switchToHttp().getRequest<ApiRequest>()),
  [
    documentsHeader({
      name: 'Idempotency-Key',
      description: 'A name of your choice for this request, 1 to 255 characters: repeated with it, it takes effect once, for 24 h.',
      pattern: '^(?:"[ !#-\\[\\]-~]{1,255}"|[!#-~]{1,255})$',
    }),
  ],
);

export function commandOf({ caller, commandId, headers }: ApiRequest): CommandContext {
  if (!caller) throw new DomainError('UNAUTHENTICATED', 'no caller is known');
  const { userId, role, keyId, ip, requestId } = caller;
  return {
    commandId: commandId ?? newId('cmd'),
    at: new Date().toISOString(),
    actor: { type: role, id: userId, keyId, ip },
    correlationId: requestId,
    ...(typeof headers.traceparent === 'string' && { traceparent: headers.traceparent }),
  };
}
