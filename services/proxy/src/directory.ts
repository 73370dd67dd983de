import type { KeyRecord, RouteRecord, UserRecord } from '@sandlot/contracts';

/**
 * What the data plane knows of keys, users and routes. Answers come at once from memory when they are known, and as a promise
 * when they must be fetched; undefined means that there is no such thing.
 */
export interface Directory {
  /** @param hash SHA-256 of the key in hex. @throws DirectoryUnavailable when it is not in memory and cannot be asked for */
  key(hash: string): Answer<KeyRecord>;
  user(userId: string): Answer<UserRecord>;
  route(username: string, sandbox: string): Answer<RouteRecord>;
  /**
   * The route as it is this moment, for a state that passes by itself: the watch may be some milliseconds behind the answer that told the
   * client that its sandbox runs. What is in memory when there is nobody to ask.
   */
  freshRoute(username: string, sandbox: string): Promise<RouteRecord | undefined>;
}

export type Answer<T> = T | undefined | Promise<T | undefined>;

/** Not known, and nobody to ask. It must never be taken for "there is none": a valid key must not get 401 because NATS is away. */
export class DirectoryUnavailable extends Error {
  override readonly name = 'DirectoryUnavailable';
}
