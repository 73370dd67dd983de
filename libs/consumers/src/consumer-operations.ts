import { unreachable, type Decider } from '@sandlot/kernel';
import {
  ConsumerPaused,
  ConsumerReplayed,
  ConsumerResumed,
  DeadLetterDiscarded,
  DeadLetterReplayed,
  type ConsumerEvent,
} from '@sandlot/contracts';

/** What operators have done to one consumer. */
export interface Operated {
  readonly pausedUntil: string | undefined;
  /** The dead letters that were replayed or discarded. The letters themselves are kept, as everything is. */
  readonly settled: ReadonlySet<number>;
}

export type OperateConsumer =
  | { readonly type: 'Pause'; readonly until: string }
  | { readonly type: 'Resume' }
  | { readonly type: 'Replay'; readonly fromPosition: number }
  | { readonly type: 'SettleDeadLetter'; readonly by: 'replaying' | 'discarding'; readonly deadLetter: number; readonly position: number };

export const consumerOperations: Decider<Operated, OperateConsumer, ConsumerEvent> = {
  initialState: { pausedUntil: undefined, settled: new Set() },

  decide(command, state) {
    switch (command.type) {
      case 'Pause':
        return state.pausedUntil === command.until ? [] : [ConsumerPaused({ until: command.until })];
      case 'Resume':
        return state.pausedUntil === undefined ? [] : [ConsumerResumed({})];
      case 'Replay':
        return [ConsumerReplayed({ fromPosition: command.fromPosition })];
      case 'SettleDeadLetter': {
        const { deadLetter, position } = command;
        if (state.settled.has(deadLetter)) return [];
        return [command.by === 'replaying' ? DeadLetterReplayed({ deadLetter, position }) : DeadLetterDiscarded({ deadLetter, position })];
      }
      default:
        return unreachable(command);
    }
  },

  evolve(state, event) {
    switch (event.type) {
      case 'consumer.paused.v1':
        return { ...state, pausedUntil: event.data.until };
      case 'consumer.resumed.v1':
        return { ...state, pausedUntil: undefined };
      case 'consumer.dead-letter-replayed.v1':
      case 'consumer.dead-letter-discarded.v1':
        return { ...state, settled: new Set(state.settled).add(event.data.deadLetter) };
      default:
        return state;
    }
  },
};
