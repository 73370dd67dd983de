import { DomainError, unreachable, type Decider } from '@sandlot/kernel';
import {
  UserCreated,
  UserDeleted,
  UserDisabled,
  UserEnabled,
  UserForgotten,
  UserLimitsChanged,
  UserProfileChanged,
  UserRoleChanged,
  type Personal,
  type Role,
  type UserEvent,
  type UserLimits,
  userLimitNames,
} from '@sandlot/contracts';
import { absent, evolve, type LiveUser, type User } from './user.js';

export interface UserChanges {
  /** The whole of it, sealed; absent when it stays. */
  personal?: Personal;
  role?: Role;
  status?: 'active' | 'disabled';
}

export type UserCommand =
  | { type: 'CreateUser'; username: string; role: Role; personal: Personal }
  | { type: 'ChangeUser'; changes: UserChanges }
  | { type: 'SetLimits'; limits: UserLimits }
  | { type: 'DeleteUser' }
  | { type: 'ForgetUser' };

/** The administrator whose key stands in a file or Secret: the way in when every other key is lost. */
export const bootstrapUsername = 'admin';

export const userDecider: Decider<User, UserCommand, UserEvent> = { initialState: absent, decide, evolve };

export function decide(command: UserCommand, user: User): UserEvent[] {
  switch (command.type) {
    case 'CreateUser':
      if (user.status !== 'absent') throw new DomainError('USERNAME_TAKEN', `the user ${user.username} exists already`);
      return [UserCreated({ username: command.username, role: command.role, personal: command.personal })];
    case 'ChangeUser':
      return change(command.changes, live(user));
    case 'SetLimits':
      return setLimits(command.limits, live(user));
    case 'DeleteUser':
      if (user.status === 'deleted') return [];
      guardBootstrap(live(user), 'be deleted');
      return [UserDeleted({})];
    case 'ForgetUser':
      return forget(user);
    default:
      return unreachable(command);
  }
}

function change({ personal, role, status }: UserChanges, user: LiveUser): UserEvent[] {
  const events: UserEvent[] = [];
  if (personal && (personal.email !== user.personal.email || personal.displayName !== user.personal.displayName))
    events.push(UserProfileChanged({ personal }));
  if (role && role !== user.role) {
    guardBootstrap(user, 'lose its role');
    events.push(UserRoleChanged({ role }));
  }
  if (status && status !== user.status) {
    if (status === 'disabled') guardBootstrap(user, 'be disabled');
    events.push(status === 'disabled' ? UserDisabled({}) : UserEnabled({}));
  }
  return events;
}

function setLimits(limits: UserLimits, { limits: before = {} }: LiveUser): UserEvent[] {
  return userLimitNames.every((name) => limits[name] === before[name]) ? [] : [UserLimitsChanged({ limits })];
}

/** Forgetting a user deletes it too: its key of personal data is gone for good. */
function forget(user: User): UserEvent[] {
  if (user.status === 'deleted') return user.forgotten ? [] : [UserForgotten({})];
  guardBootstrap(live(user), 'be forgotten');
  return [UserDeleted({}), UserForgotten({})];
}

function live(user: User): LiveUser {
  if (user.status === 'absent') throw new DomainError('USER_NOT_FOUND', 'there is no such user');
  if (user.status === 'deleted') throw new DomainError('USER_DELETED', `the user ${user.username} is deleted`);
  return user;
}

function guardBootstrap(user: LiveUser, what: string): void {
  if (user.username === bootstrapUsername) throw new DomainError('LAST_ADMIN', `the bootstrap administrator cannot ${what}`);
}
