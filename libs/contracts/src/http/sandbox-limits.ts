import { z } from 'zod';

/** How long a sandbox may live, and be idle, when it is asked for. */
export const Ttl = z.int().min(60).max(28_800).describe('seconds until it is deleted, 60 to 28,800');
export const IdleTimeout = z
  .int()
  .min(60)
  .max(604_800)
  .describe('seconds without any traffic through the proxy after which `onIdle` is done, 60 to 604,800');
export const OnIdle = z.enum(['pause', 'delete']).describe('what becomes of it when it is idle; default: pause');

export const sandboxLimits = {
  ttlSeconds: Ttl.optional().describe(`${Ttl.description}; default: it stays`),
  idleTimeoutSeconds: IdleTimeout.optional().describe(`${IdleTimeout.description}; default: SANDLOT_IDLE_TIMEOUT`),
  onIdle: OnIdle.optional(),
};

/** As the messages between services have them. */
export type SandboxLimits = z.output<z.ZodObject<typeof sandboxLimits>>;
