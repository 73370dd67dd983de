/**
 * Who is behind a command. `service` is Sandlot itself reacting to something: a reconciler, a timer, the bootstrap.
 */
export interface Actor {
  readonly type: 'user' | 'admin' | 'service';
  /** A user's id, or the name of the service. */
  readonly id: string;
  /** The key that was used. */
  readonly keyId?: string;
  /** The address that the request came from. */
  readonly ip?: string;
}
