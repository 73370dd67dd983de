import { type ProjectionEvent } from '@sandlot/contracts';
import type { Decider } from '@sandlot/kernel';

/** What operators did to a read model is a fact like any other. Nothing is decided here: the runner has the last word. */
export const projectionOperations: Decider<null, { type: 'Record'; event: ProjectionEvent }, ProjectionEvent> = {
  initialState: null,
  decide: ({ event }) => [event],
  evolve: () => null,
};
