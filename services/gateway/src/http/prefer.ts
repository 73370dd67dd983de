import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { headerOf, type ApiRequest } from './api-request.js';
import { documentsHeader } from './operation.js';

const maxWaitSeconds = 60;

/** How many seconds the caller would rather wait than get 202, as a parameter; 0 without `Prefer: wait`. */
export const Wait = createParamDecorator(
  (_: unknown, context: ExecutionContext) => waitIn(headerOf(context.switchToHttp().getRequest<ApiRequest>(), 'prefer')),
  [
    documentsHeader({
      name: 'Prefer',
      description: '`wait=N`: wait up to N seconds, at most 60, for it to be done, instead of 202 at once.',
    }),
  ],
);

/** RFC 7240: the first of several counts, and a preference that cannot be understood is none. */
export function waitIn(header: string | undefined): number {
  const preference = header?.split(/[,;]/).find((entry) => /^\s*wait\s*=/i.test(entry));
  const seconds = /=\s*"?(\d{1,9})"?\s*$/.exec(preference ?? '')?.[1];
  return Math.min(maxWaitSeconds, Number(seconds ?? 0));
}
