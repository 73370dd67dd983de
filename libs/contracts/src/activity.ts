import { z } from 'zod';
import { SandboxIdSchema } from './names.js';

/** Each proxy sends one this often, in ms, also when it has none to name: a provisioner that hears nothing knows that it knows nothing. */
export const activityEveryMs = 5_000;

/** Which sandboxes with a limit of idle time a proxy has seen used since it last said so. No times: clocks need not agree. */
export const ActivityReport = z.object({
  proxy: z.string().min(1).max(64).describe('one process'),
  used: z.array(SandboxIdSchema),
  leaving: z.literal(true).optional().describe('it stops: no more will come, and that means nothing'),
});
export type ActivityReport = z.infer<typeof ActivityReport>;
