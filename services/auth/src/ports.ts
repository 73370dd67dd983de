import type { KeyRecord, Personal, UserRecord } from '@sandlot/contracts';
import type { UserId } from '@sandlot/kernel';

/** The bucket that the proxies read. Later records replace earlier ones by the version of the aggregate that they come from. */
export interface KeyDirectory {
  findKey(hash: string): Promise<KeyRecord | undefined>;
  putKey(hash: string, record: KeyRecord): Promise<void>;
  findUser(userId: UserId): Promise<UserRecord | undefined>;
  putUser(record: UserRecord): Promise<void>;
}

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
}
