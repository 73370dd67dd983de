import type { PipeTransform } from '@nestjs/common';
import { DomainError, isId, type ErrorCode, type Id, type IdPrefix } from '@sandlot/kernel';

/** What is no id of that kind names nothing: 404, like an id that nobody has. */
class ExistingId<Prefix extends IdPrefix> implements PipeTransform<string, Id<Prefix>> {
  constructor(
    private readonly prefix: Prefix,
    private readonly code: ErrorCode,
    private readonly refusal: string,
  ) {}

  transform(value: string): Id<Prefix> {
    if (!isId(this.prefix, value)) throw new DomainError(this.code, this.refusal);
    return value;
  }
}

export const ofUser = new ExistingId('usr', 'USER_NOT_FOUND', 'there is no such user');
export const ofSession = new ExistingId('sbx', 'SANDBOX_NOT_FOUND', 'there is no such session');
export const ofPreview = new ExistingId('prv', 'PREVIEW_NOT_FOUND', 'there is no such preview');
export const ofKey = new ExistingId('key', 'KEY_NOT_FOUND', 'there is no such API key');
