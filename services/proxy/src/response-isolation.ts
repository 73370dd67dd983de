import type { SandboxTarget } from './request-target.js';

/**
 * What a sandbox may say about the origin that its response is served under. Path-based addresses share the API's origin, so nothing there
 * may act on it: no cookies, no policies, no cross-origin grants in its name, and no redirect that would have a client carry its key from
 * the sandbox to the API or to another sandbox. What a path-served page may do as a document, its Content-Security-Policy says.
 */
export interface Isolation {
  /** Sent with every response: name, value, name, value. */
  readonly added: readonly string[];
  /** What is left of a field, its name in lower case: its value, or undefined when nothing is. */
  field(name: string, value: string): string | undefined;
}

const ACTS_ON_ITS_ORIGIN = new Set([
  'set-cookie', 'set-cookie2', 'clear-site-data', 'service-worker-allowed', 'strict-transport-security', 'alt-svc', 'public-key-pins',
  'public-key-pins-report-only', 'access-control-allow-credentials', 'access-control-allow-origin', 'origin-agent-cluster', 'nel',
  'report-to', 'reporting-endpoints', 'location', 'content-location', 'x-content-type-options',
]); // prettier-ignore
/** An opaque origin for each page, and no guessing that something else is one. */
const ADDED = ['content-security-policy', 'sandbox', 'x-content-type-options', 'nosniff'];

export class SharedOrigin implements Isolation {
  readonly added = ADDED;

  /** @param host as the client named it */
  constructor(
    private readonly target: SandboxTarget,
    private readonly host: string,
  ) {}

  field(name: string, value: string): string | undefined {
    if (!ACTS_ON_ITS_ORIGIN.has(name)) return value;
    if (name === 'location' || name === 'content-location') return withinSandbox(value, this.target, this.host);
    if (name === 'access-control-allow-origin') return originHost(value) === this.host.toLowerCase() ? undefined : value;
    return undefined;
  }
}

function originHost(value: string): string | undefined {
  return /^https?:\/\/(.+)$/i.exec(value.trim())?.[1]?.toLowerCase();
}

/**
 * A reference to this host leads back into the sandbox: one that is below its prefix already stays as it is, any other gets the prefix, which
 * is what a sandbox means that does not know it. One to another host passes; clients do not take a key there.
 */
function withinSandbox(reference: string, { prefix, forward }: SandboxTarget, host: string): string | undefined {
  const base = `http://${host}${prefix}${forward}`;
  if (!URL.canParse(reference, base)) return undefined;
  const url = new URL(reference, base);
  const own = new URL(base);
  if (url.hostname !== own.hostname || (url.port !== own.port && url.port !== '')) return reference;
  if (url.pathname === prefix || url.pathname.startsWith(`${prefix}/`)) return reference;
  return `${prefix}${url.pathname}${url.search}${url.hash}`;
}

const ACTS_BEYOND_ITS_HOST = new Set([
  'clear-site-data', // cookies of the whole registrable domain
  'alt-svc', 'strict-transport-security', 'public-key-pins', 'public-key-pins-report-only', 'origin-agent-cluster', 'set-cookie2',
]); // prettier-ignore
const RESERVED_COOKIE = /^\s*__host-sandlot-/i;
const DOMAIN_ATTRIBUTE = /^\s*domain\s*(?:=|$)/i;

/**
 * What a sandbox may say under a preview address, which is its own origin: nearly everything. Its cookies stay on its own host, and none may
 * pass for ours.
 */
export class OwnOrigin implements Isolation {
  /** Keeps pages of one site, which all previews are, out of each other's processes and `document.domain`. */
  readonly added = ['origin-agent-cluster', '?1'];

  field(name: string, value: string): string | undefined {
    if (ACTS_BEYOND_ITS_HOST.has(name)) return undefined;
    return name === 'set-cookie' ? ownCookie(value) : value;
  }
}

function ownCookie(value: string): string | undefined {
  if (RESERVED_COOKIE.test(value)) return undefined;
  const [pair, ...attributes] = value.split(';');
  return [pair, ...attributes.filter((attribute) => !DOMAIN_ATTRIBUTE.test(attribute))].join(';');
}
