import type { IncomingHttpHeaders } from 'node:http';
import type { TLSSocket } from 'node:tls';

/** Who a client's certificate says it is, after TLS has found that the configured authority says so. */
export interface ClientCertificate {
  /** As the rule reads it; undefined where it names nobody, or more than one. */
  username: string | undefined;
  /** What the trail calls it. */
  name: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

const RULE = /^(CN|URI|email)=([^{}]*)\{username\}([^{}]*)$/;
const NAME = '([a-z][a-z0-9-]*[a-z0-9])';

/**
 * Which user a certificate stands for: `CN={username}`, `URI=spiffe://example.org/user/{username}`, `email={username}@example.org`.
 * A name that is quoted in Node's text of the alternative names could hold a second one; such a certificate names nobody.
 */
export class CertificateRule {
  private readonly field: string;
  private readonly pattern: RegExp;

  /** @throws TypeError */
  constructor(rule: string) {
    const [, field, before, after] = RULE.exec(rule) ?? [];
    if (field === undefined) throw new TypeError('must be CN=, URI= or email=, and hold {username} once');
    this.field = field;
    this.pattern = new RegExp(`^${literal(before!)}${NAME}${literal(after!)}$`);
  }

  /** What the certificate of this connection says; undefined when there is none that the authority has signed. */
  read(socket: TLSSocket): ClientCertificate | undefined {
    if (!socket.authorized) return undefined;
    const { subject, subjectaltname, valid_to, fingerprint256 } = socket.getPeerCertificate();
    const names = this.field === 'CN' ? [subject.CN].flat() : alternativeNames(subjectaltname ?? '', this.field);
    const matches = new Set(names.flatMap((name) => this.pattern.exec(name ?? '')?.[1] ?? []));
    return {
      username: matches.size === 1 ? [...matches][0] : undefined,
      name: `cert:${fingerprint256.replaceAll(':', '').slice(0, 16).toLowerCase()}`,
      expiresAt: Date.parse(valid_to),
    };
  }
}

export function isCertificateRule(text: string): boolean {
  return RULE.test(text);
}

function alternativeNames(text: string, field: string): string[] {
  if (text.includes('"')) return [];
  return text.split(', ').flatMap((entry) => (entry.startsWith(`${field}:`) ? entry.slice(field.length + 1) : []));
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

/**
 * Whether a page of another origin has made a browser send this request. Browsers show a certificate unasked, as they send cookies; what
 * other pages, and those that sandboxes serve here, make them ask for is not their user's wish.
 */
export function isOfAnotherSite(headers: IncomingHttpHeaders, host: string | undefined): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  return (site !== undefined && site !== 'none' && site !== 'same-origin') || (origin !== undefined && origin !== `https://${host}`);
}
