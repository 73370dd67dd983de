/** What somebody was let in by, to look again whether it still holds. */
export type Credential =
  | { kind: 'key'; /** SHA-256 in hex, by which the directory knows it. */ hash: string }
  | { kind: 'token' | 'certificate'; /** Milliseconds since 1970. */ expiresAt: number };
