const SCHEME_AND_AUTHORITY = /^https?:\/\/([^/?#]*)/i;

export interface OriginForm {
  /** What is routed on. */
  target: string;
  /** What Host has to agree with; undefined when the target named none. */
  authority: string | undefined;
}

/**
 * A request target as a path. Every server must accept the absolute-form (RFC 9112 §3.2.2), which names a host a second time: one that
 * disagrees with Host is for two readers two requests, and refused by who calls this.
 */
export function originForm(raw: string): OriginForm {
  if (raw.charCodeAt(0) === 0x2f) return { target: raw, authority: undefined };
  const [absolute, authority] = SCHEME_AND_AUTHORITY.exec(raw) ?? [];
  if (absolute === undefined) return { target: raw, authority: undefined };
  const rest = raw.slice(absolute.length);
  return { target: rest.charCodeAt(0) === 0x2f ? rest : `/${rest}`, authority };
}

export const agrees = (authority: string, host: string | undefined) => authority.toLowerCase() === host?.toLowerCase();
