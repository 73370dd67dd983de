import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { DomainError } from '@sandlot/kernel';
import { headerOf, type ApiRequest } from './api-request.js';
import { documentsHeader } from './operation.js';

const entityTag = /^(?:W\/)?"[\x21\x23-\x7e]*"$/;

/** The version that If-Match allows, as a parameter; undefined when it allows any. */
export const IfMatch = createParamDecorator(
  (_: unknown, context: ExecutionContext) => {
    const request = context.switchToHttp().getRequest<ApiRequest>();
    // An empty one is refused: somebody meant a version, and has lost it.
    return versionIn(request.headers['if-match'] === undefined ? undefined : (headerOf(request, 'if-match') ?? ''));
  },
  [
    documentsHeader({
      name: 'If-Match',
      description: 'The ETag that the resource must still have; otherwise 412.',
      pattern: '^(?:\\*|(?:W/)?"[!#-~]*")$',
    }),
  ],
);

/**
 * Tags compare strongly (RFC 9110 13.1.1), so a weak one matches nothing, nor does one that is no version of ours. Several tags at once
 * are refused: a command takes effect on one known version.
 */
export function versionIn(header: string | undefined): number | undefined {
  if (header === undefined || header === '*') return undefined;
  if (!entityTag.test(header)) throw new DomainError('MALFORMED_REQUEST', 'If-Match must be one ETag, like "3", or *.');
  const version = /^"([1-9]\d{0,14})"$/.exec(header)?.[1];
  if (version === undefined) throw new DomainError('VERSION_MISMATCH', `The resource does not have the ETag ${header}.`);
  return Number(version);
}

/** Whether If-None-Match names the resource's tag (weak comparison): the caller has it already. */
export function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header === '*' || header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
