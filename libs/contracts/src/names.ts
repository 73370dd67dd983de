import { z } from 'zod';
import { idPattern, type Id, type IdPrefix } from '@sandlot/kernel';

const dnsLabel = /^[a-z]([a-z0-9-]*[a-z0-9])?$/;

/**
 * Names that would read as something of Sandlot's or Kubernetes' own. A username is the first segment of
 * `/{username}/{sandbox}/…` and part of the namespace `user-<username>`.
 */
export const reservedUsernames: ReadonlySet<string> = new Set([
  'admin-api', 'api', 'assets', 'auth', 'default', 'docs', 'health', 'healthz', 'kube', 'kube-node-lease', 'kube-public', 'kube-system',
  'livez', 'me', 'metrics', 'openapi', 'problems', 'proxy', 'readyz', 'root', 'sandbox', 'sandboxes', 'sandlot', 'startupz', 'static', 'system',
  'ui', 'v1', 'v2', 'well-known', 'www',
]); // prettier-ignore

/** `[a-z][a-z0-9-]*[a-z0-9]`, 2 to 40 characters; taken as it is, never normalised. */
export const Username = z
  .string()
  .min(2)
  .max(40)
  .regex(/^[a-z][a-z0-9-]*[a-z0-9]$/, 'must match [a-z][a-z0-9-]*[a-z0-9]')
  .refine((name) => !reservedUsernames.has(name) && !name.startsWith('kube-') && !name.startsWith('xn--'), 'is reserved')
  .describe('2 to 40 characters, [a-z][a-z0-9-]*[a-z0-9], not a reserved name');

/** A DNS label (RFC 1035) of at most 40 characters: it becomes the name of Kubernetes objects. */
export const SandboxName = z
  .string()
  .min(1)
  .max(40)
  .regex(dnsLabel, 'must match [a-z]([a-z0-9-]*[a-z0-9])?')
  .describe('1 to 40 characters, [a-z]([a-z0-9-]*[a-z0-9])?');

/** A sandbox that is known by its id is named by it, as a DNS label: `sbx_01k…` is `sbx-01k…`. Of a name, the name: it has no `_`. */
export const nameOfId = (idOrName: string): string => idOrName.replace('_', '-');

export const UserIdSchema = idSchema('usr', 'a user id');
export const KeyIdSchema = idSchema('key', 'a key id');
export const SandboxIdSchema = idSchema('sbx', 'a sandbox id');
export const PreviewIdSchema = idSchema('prv', 'a preview id');
export const Timestamp = z.iso.datetime();

/** The brand is the compiler's only: what comes out is the string that went in. */
function idSchema<Prefix extends IdPrefix>(prefix: Prefix, what: string) {
  return z.string().regex(idPattern(prefix), `must be ${what}, ${prefix}_…`) as unknown as z.ZodType<Id<Prefix>, string>;
}
