import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';

// What operators did to where sandboxes run: on `sandlot.provisioner.runtime.<name of the runtime>`.

const counts = z.object({ namespaces: z.int(), sandboxes: z.int() });

/** Everything that the log wants and the runtime lacks is made again, and what the log has deleted goes. */
export const RuntimeRebuildRequested = defineEvent(
  'runtime.rebuild-requested.v1',
  z.object({
    reason: z.string(),
    comesBack: counts.describe('what the plan had to make again'),
    cannot: counts.describe('what it could not, because something that is not ours stands in its place'),
  }),
);
/** Everything was looked at once; what failed is tried again by the reconcilers. */
export const RuntimeRebuildCompleted = defineEvent(
  'runtime.rebuild-completed.v1',
  z.object({ looks: z.int().describe('at namespaces, sandboxes and what belongs to them'), changed: z.int(), failed: z.int() }),
);

export type RuntimeEvent = EventOf<typeof RuntimeRebuildRequested> | EventOf<typeof RuntimeRebuildCompleted>;
