import type { Personal, Rewrapped } from '@sandlot/contracts';
import type { UserId } from '@sandlot/kernel';

export interface ClearPersonal {
  email: string | null;
  displayName: string | null;
}

/** Seals personal data before it goes into the log and opens it for those who may see it. */
export interface PersonalVault {
  seal(userId: UserId, personal: ClearPersonal): Promise<Personal>;
  /** null for what was forgotten. */
  open(userId: UserId, personal: Personal): Promise<ClearPersonal>;
  /** Destroys the user's key. Can be repeated. */
  forget(userId: UserId): Promise<void>;
  /** Puts the keys of users behind `after` under the newest master key. Can be repeated. */
  rewrap(users: { after?: UserId | undefined; limit: number }): Promise<Rewrapped>;
}

export const PERSONAL_VAULT = Symbol('PersonalVault');
