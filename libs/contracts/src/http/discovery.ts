import { z } from 'zod';

/** A Sandbox object that somebody else made, as it is listed. */
export const DiscoveredSandbox = z.object({
  username: z.string(),
  name: z.string(),
  namespace: z.string(),
  service: z.string().optional().describe('the host that the proxy dials, while it is ready'),
  ready: z.boolean(),
  reason: z.string().optional().describe('a code, where it is not routed'),
  message: z.string().optional(),
});
export type DiscoveredSandbox = z.infer<typeof DiscoveredSandbox>;
