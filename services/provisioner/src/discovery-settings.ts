import { flagSetting, portSetting } from '@sandlot/service-kit';
import { z } from 'zod';

const namespaces = z
  .string()
  .default('')
  .transform((text) => text.split(',').map((part) => part.trim()).filter(Boolean))
  .pipe(z.array(z.string().regex(/^(\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$/, 'must be names of namespaces, separated by commas, or *'))); // prettier-ignore

/** What an operator decides about Sandbox objects that somebody else made. */
export const discoverySettings = {
  SANDLOT_DISCOVERY: namespaces.describe(
    'namespaces whose Sandbox objects of other makers are listed and routed, separated by commas, * for all; whoever may make Sandboxes there can receive requests of any user; default: none',
  ),
  SANDLOT_DISCOVERY_SHARED: flagSetting()
    .default(false)
    .describe(
      'whether every user may reach discovered sandboxes without the label user, at /default/{name}/; otherwise administrators alone',
    ),
  SANDLOT_DISCOVERY_PORT: portSetting()
    .min(1)
    .default(8888)
    .describe('port of discovered sandboxes that declare none, and the usual one of those that declare it'),
  SANDLOT_DISCOVERY_REFRESH: z.coerce
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(30)
    .describe('seconds after which all discovered sandboxes are looked at again, besides what watches tell'),
};
