import { DomainError, type Decider, type UserId } from '@sandlot/kernel';
import { UsernameReserved, type UsernameEvent } from '@sandlot/contracts';

/** A name, and for ever whose it is: it outlives its user, so that nobody can step into a deleted user's place. */
export type Username = { status: 'free' } | { status: 'reserved'; userId: UserId };

export interface ReserveUsername {
  type: 'ReserveUsername';
  username: string;
  userId: UserId;
}

export const usernameDecider: Decider<Username, ReserveUsername, UsernameEvent> = {
  initialState: { status: 'free' },
  decide({ username, userId }, name) {
    if (name.status === 'reserved') throw new DomainError('USERNAME_TAKEN', `the username ${username} is taken`);
    return [UsernameReserved({ userId })];
  },
  evolve: (name, event) => (event.type === 'username.reserved.v1' ? { status: 'reserved', userId: event.data.userId } : name),
};
