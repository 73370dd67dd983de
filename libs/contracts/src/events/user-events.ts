import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';
import { UserLimits } from '../http/limits.js';
import { UserIdSchema } from '../names.js';

export const Role = z.enum(['admin', 'user']);
export type Role = z.infer<typeof Role>;

/** Personal data as it stands in the log: encrypted under the user's own key (event-store's personal-data.ts). */
export const Sealed = z.string().regex(/^s1\.[A-Za-z0-9_-]+$/, 'must be sealed');

export const Personal = z.object({ email: Sealed.nullable(), displayName: Sealed.nullable() });
export type Personal = z.infer<typeof Personal>;

export const UserCreated = defineEvent('user.created.v1', z.object({ username: z.string(), role: Role, personal: Personal }));
export const UserProfileChanged = defineEvent('user.profile-changed.v1', z.object({ personal: Personal }));
export const UserRoleChanged = defineEvent('user.role-changed.v1', z.object({ role: Role }));
export const UserDisabled = defineEvent('user.disabled.v1', z.object({}));
export const UserEnabled = defineEvent('user.enabled.v1', z.object({}));
/** All of what the user may ask of the proxies; what is absent is as for everybody. */
export const UserLimitsChanged = defineEvent('user.limits-changed.v1', z.object({ limits: UserLimits }));
/** The user's keys stop working at once, the sandboxes are deleted; the name is never given out again. */
export const UserDeleted = defineEvent('user.deleted.v1', z.object({}));
/** The key of the user's personal data is to be destroyed; what was sealed under it can never be read again. */
export const UserForgotten = defineEvent('user.forgotten.v1', z.object({}));

/** On the subject of the name itself, always its first event: that is what makes the name unique. */
export const UsernameReserved = defineEvent('username.reserved.v1', z.object({ userId: UserIdSchema }));

export type UserEvent =
  | EventOf<typeof UserCreated>
  | EventOf<typeof UserProfileChanged>
  | EventOf<typeof UserRoleChanged>
  | EventOf<typeof UserLimitsChanged>
  | EventOf<typeof UserDisabled>
  | EventOf<typeof UserEnabled>
  | EventOf<typeof UserDeleted>
  | EventOf<typeof UserForgotten>;
export type UsernameEvent = EventOf<typeof UsernameReserved>;
