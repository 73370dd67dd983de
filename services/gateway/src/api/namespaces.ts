import { DomainError } from '@sandlot/kernel';

/** The older form of the API names a namespace. Everybody has exactly one, so any other is refused. */
export function requireNamespaceOf(username: string, namespace: string | undefined): void {
  if (namespace === undefined || namespace === `user-${username}`) return;
  throw new DomainError('FORBIDDEN', `The namespace ${namespace} is not the one of the sandbox; leave it out, or name user-${username}.`);
}
