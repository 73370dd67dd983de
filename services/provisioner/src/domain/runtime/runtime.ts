import { RuntimeRebuildCompleted, RuntimeRebuildRequested, type RuntimeEvent } from '@sandlot/contracts';
import { unreachable, type Decider } from '@sandlot/kernel';

interface Counts {
  namespaces: number;
  sandboxes: number;
}

/** What operators last did to a runtime. */
export type RuntimeState =
  | { status: 'untouched' }
  | { status: 'underway'; reason: string; comesBack: Counts }
  | { status: 'completed'; reason: string; comesBack: Counts; changed: number; failed: number };

export type RuntimeCommand =
  | { type: 'RequestRebuild'; reason: string; comesBack: Counts; cannot: Counts }
  | { type: 'CompleteRebuild'; looks: number; changed: number; failed: number };

export const runtimeDecider: Decider<RuntimeState, RuntimeCommand, RuntimeEvent> = {
  initialState: { status: 'untouched' },
  decide(command, state) {
    switch (command.type) {
      case 'RequestRebuild': {
        // Also while one is under way: who does it may have died, and doing it twice does no harm.
        const { reason, comesBack, cannot } = command;
        return [RuntimeRebuildRequested({ reason, comesBack, cannot })];
      }
      case 'CompleteRebuild': {
        const { looks, changed, failed } = command;
        return state.status === 'underway' ? [RuntimeRebuildCompleted({ looks, changed, failed })] : [];
      }
      default:
        return unreachable(command);
    }
  },
  evolve(state, event) {
    switch (event.type) {
      case 'runtime.rebuild-requested.v1':
        return { status: 'underway', reason: event.data.reason, comesBack: event.data.comesBack };
      case 'runtime.rebuild-completed.v1': {
        const { changed, failed } = event.data;
        return state.status === 'underway' ? { ...state, status: 'completed', changed, failed } : state;
      }
      default:
        return state;
    }
  },
};
