import type { PersonalData } from '@sandlot/event-store';
import type { Personal, Rewrapped } from '@sandlot/contracts';
import type { UserId } from '@sandlot/kernel';
import type { ClearPersonal, PersonalVault } from '../ports.js';

/** Personal data under each user's own key. */
export class SealedPersonal implements PersonalVault {
  constructor(private readonly data: PersonalData) {}

  async seal(userId: UserId, { email, displayName }: ClearPersonal): Promise<Personal> {
    return {
      email: email === null ? null : await this.data.seal(userId, 'email', email),
      displayName: displayName === null ? null : await this.data.seal(userId, 'displayName', displayName),
    };
  }

  async open(userId: UserId, { email, displayName }: Personal): Promise<ClearPersonal> {
    return {
      email: email === null ? null : ((await this.data.open(userId, 'email', email)) ?? null),
      displayName: displayName === null ? null : ((await this.data.open(userId, 'displayName', displayName)) ?? null),
    };
  }

  forget(userId: UserId): Promise<void> {
    return this.data.forget(userId);
  }

  async rewrap(users: { after?: UserId | undefined; limit: number }): Promise<Rewrapped> {
    const { masterKey, looked, rewrapped, next } = await this.data.rewrap(users);
    return { masterKey, looked, rewrapped, next: next as UserId | null };
  }
}
