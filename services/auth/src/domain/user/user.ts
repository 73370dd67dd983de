import type { Personal, Role, UserEvent, UserLimits } from '@sandlot/contracts';

export type User =
  { status: 'absent' } | ({ status: 'active' | 'disabled' } & UserFacts) | ({ status: 'deleted'; forgotten: boolean } & UserFacts);

interface UserFacts {
  username: string;
  role: Role;
  personal: Personal;
  /** What is not as for everybody. */
  limits?: UserLimits;
}

export type LiveUser = Extract<User, { status: 'active' | 'disabled' }>;

export const absent: User = { status: 'absent' };

const nobody: Personal = { email: null, displayName: null };

export function evolve(user: User, event: UserEvent): User {
  if (event.type === 'user.created.v1') return { status: 'active', ...event.data };
  if (user.status === 'absent') return user;
  switch (event.type) {
    case 'user.profile-changed.v1':
      return { ...user, personal: event.data.personal };
    case 'user.role-changed.v1':
      return { ...user, role: event.data.role };
    case 'user.limits-changed.v1':
      return { ...user, limits: event.data.limits };
    case 'user.disabled.v1':
      return user.status === 'active' ? { ...user, status: 'disabled' } : user;
    case 'user.enabled.v1':
      return user.status === 'disabled' ? { ...user, status: 'active' } : user;
    case 'user.deleted.v1':
      return { ...user, status: 'deleted', forgotten: false };
    case 'user.forgotten.v1':
      return user.status === 'deleted' ? { ...user, personal: nobody, forgotten: true } : user;
    default:
      return user;
  }
}
