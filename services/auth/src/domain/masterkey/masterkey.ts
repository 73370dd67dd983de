import { MasterKeyDataKeysRewrapped, type MasterKeyEvent } from '@sandlot/contracts';
import type { Decider } from '@sandlot/kernel';

export type MasterKeyCommand = { type: 'RecordRewrapped'; count: number };

/** Nothing is decided on what was done with a master key; that it was done, and by whom, is what matters. */
export const masterKeyDecider: Decider<null, MasterKeyCommand, MasterKeyEvent> = {
  initialState: null,
  decide: ({ count }) => (count > 0 ? [MasterKeyDataKeysRewrapped({ count })] : []),
  evolve: (state) => state,
};
