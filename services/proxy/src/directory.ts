import type { DiscoveredRoute, KeyRecord, RouteRecord, UsernameRecord, UserRecord } from '@sandlot/contracts';

/**
 * What the data plane knows of keys, users and routes. Answers come at once from memory when they are known, and as a promise
 * when they must be fetched; undefined means that there is no such thing.
 */
export interface Directory {
  /** @param hash SHA-256 of the key in hex. @throws DirectoryUnavailable when it is not in memory and cannot be asked for */
  key(hash: string): Answer<KeyRecord>;
  user(userId: string): Answer<UserRecord>;
  /** Whose this name is, or was: the user may be deleted. */
  username(username: string): Answer<UsernameRecord>;
  route(username: string, sandbox: string): Answer<RouteRecord>;
  /** A sandbox that somebody else made, by the user that it names; undefined also where discovery is not switched on. */
  discovered(username: string, sandbox: string): Answer<DiscoveredRoute>;
  /**
   * The route as it is this moment, for a state that passes by itself: the watch may be some milliseconds behind the answer that told the
   * client that its sandbox runs. What is in memory when there is nobody to ask.
   */
  freshRoute(username: string, sandbox: string): Promise<RouteRecord | undefined>;
  /** Calls the listener with every later change of a route, undefined for its end. @returns stops it */
  watchRoute(username: string, sandbox: string, listener: (route: RouteRecord | undefined) => void): () => void;
  /** Calls the listener with every later change of any route to a sandbox of ours. @returns stops it */
  watchRoutes(listener: (change: RouteRecord) => void): () => void;
  /** Calls the listener with every later change of a key or user. @returns stops it */
  watchCredentials(listener: (change: KeyRecord | UserRecord) => void): () => void;
}

export type Answer<T> = T | undefined | Promise<T | undefined>;

/** Goes on at once where the answer is there: an `await` would take a turn even then, and this is every request's way. */
export function whenKnown<Known, Next>(answer: Known | Promise<Known>, next: (known: Known) => Next | Promise<Next>): Next | Promise<Next> {
  return answer instanceof Promise ? answer.then(next) : next(answer);
}

/** Not known, and nobody to ask. It must never be taken for "there is none": a valid key must not get 401 because NATS is away. */
export class DirectoryUnavailable extends Error {
  override readonly name = 'DirectoryUnavailable';
}
