import { sameQuota, type Egress, type NamespaceConcernName, type Quota } from '@sandlot/contracts';

/** One of the things that a user's namespace has, as it is to be. */
export type NamespaceConcern =
  | { concern: 'quota'; quota: Quota }
  | { concern: 'network-policy'; egress: Egress }
  | { concern: 'service-account'; annotations: Readonly<Record<string, string>> };

/** What marks a namespace as this user's, and what no pod in it gets past. */
export interface NamespaceMarks {
  concern: 'namespace';
  username: string;
}

/** What of them the log says was seen to be so. */
export type AppliedConcerns = { readonly [Name in NamespaceConcernName]?: Extract<NamespaceConcern, { concern: Name }> };

export function sameConcern(one: NamespaceConcern, other: NamespaceConcern | undefined): boolean {
  switch (one.concern) {
    case 'quota':
      return other?.concern === 'quota' && sameQuota(one.quota, other.quota);
    case 'network-policy':
      return other?.concern === 'network-policy' && one.egress === other.egress;
    case 'service-account':
      return other?.concern === 'service-account' && sameRecord(one.annotations, other.annotations);
  }
}

function sameRecord(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key]);
}
