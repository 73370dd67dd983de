import { reservedLabel } from '@sandlot/contracts';
import type { SandboxId, UserId } from '@sandlot/kernel';

/** By these objects are found and owned. Nobody's input may set one: see `reservedLabel`. */
export const SANDBOX_ID = 'sandlot.dev/sandbox-id';
export const OWNER = 'sandlot.dev/owner';
export const SANDBOX_NAME = 'sandlot.dev/sandbox';
export const MANAGED_BY = 'app.kubernetes.io/managed-by';

export interface Labelled {
  owner: UserId;
  username: string;
  name: string;
  spec: { labels?: Record<string, string> | undefined };
}

/** On everything that belongs to a sandbox. What its user asked for comes first, so that it can take nothing over. */
export function labelsOf(id: SandboxId, { owner, username, name, spec }: Labelled): Record<string, string> {
  return {
    ...Object.fromEntries(Object.entries(spec.labels ?? {}).filter(([key]) => !reservedLabel(key))),
    user: username, // what operators select by
    'app.kubernetes.io/name': 'sandbox',
    'app.kubernetes.io/instance': name,
    [MANAGED_BY]: 'sandlot',
    [SANDBOX_ID]: id,
    [OWNER]: owner,
    [SANDBOX_NAME]: name,
  };
}
