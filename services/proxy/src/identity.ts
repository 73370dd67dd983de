import type { IdentityClaims } from '@sandlot/service-kit';

/** Makes the value of x-sandlot-identity, by which the gateway knows whose request it is. */
export interface IdentitySigner {
  sign(identity: IdentityClaims): string;
}
