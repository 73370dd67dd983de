import { PREVIEW_LINK_PARAMETER } from '@sandlot/contracts';
import { readRequestHead, type RequestHead } from './header-hygiene.js';
import { Refusal } from './problem.js';
import { checkTarget } from './request-target.js';

export const PREVIEW_COOKIE = '__Host-sandlot-preview';
/** Ours, and what could be taken for ours. */
const OUR_COOKIE = /^__host-sandlot-/i;

/** A request on the domain of previews. There a sandbox has an origin of its own: cookies and credentials that are its own reach it. */
export interface PreviewRequest {
  head: RequestHead;
  /** What of the credentials is the platform's. */
  credential: string | undefined;
  /** Of the cookie. */
  pass: string | undefined;
  /** Of the link. */
  link: string | undefined;
  /** Path and query to forward, and to come back to without the link. */
  forward: string;
  path: string;
  /** What a browser says of where the request comes from. */
  origin: string | undefined;
  fetch: { site: string | undefined; mode: string | undefined; dest: string | undefined };
}

/** @param isOurs tells a credential of the platform from the sandbox's own */
export function readPreviewRequest(
  target: string,
  raw: readonly string[],
  httpVersion: string,
  isOurs: (credential: string) => boolean,
): PreviewRequest | Refusal {
  const wrong = checkTarget(target);
  if (wrong) return wrong;
  const head = readRequestHead(raw, httpVersion);
  if (head instanceof Refusal) return head;
  const { forward, link } = withoutLink(target);
  const credential = head.credential !== undefined && isOurs(head.credential) ? head.credential : undefined;
  const request: PreviewRequest = {
    head, credential, pass: undefined, link, forward, path: pathOf(forward), origin: undefined,
    fetch: { site: undefined, mode: undefined, dest: undefined },
  }; // prettier-ignore
  const cookies: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const value = raw[i + 1]!;
    switch (raw[i]!.toLowerCase()) {
      case 'cookie':
        cookies.push(...value.split(';').map((pair) => pair.trim()).filter(Boolean)); // prettier-ignore
        break;
      case 'authorization':
        if (!credential && !/slk_/i.test(value)) head.lines += `${raw[i]!}: ${value}\r\n`;
        break;
      case 'origin':
        request.origin = value;
        break;
      case 'sec-fetch-site':
        request.fetch.site = value;
        break;
      case 'sec-fetch-mode':
        request.fetch.mode = value;
        break;
      case 'sec-fetch-dest':
        request.fetch.dest = value;
    }
  }
  const ours = cookies.filter((pair) => OUR_COOKIE.test(pair));
  const own = cookies.filter((pair) => !OUR_COOKIE.test(pair));
  if (own.length > 0) head.lines += `cookie: ${own.join('; ')}\r\n`;
  const passes = ours.filter((pair) => pair.startsWith(`${PREVIEW_COOKIE}=`));
  if (passes.length === 1) request.pass = passes[0]!.slice(PREVIEW_COOKIE.length + 1); // two are nobody's
  return request;
}

/**
 * Whether another page may be behind a request that the browser's cookie let in. All previews are of one site to a browser, so SameSite
 * does not keep one sandbox's page from another's: only what a page asks of its own origin passes, and what somebody opens in a tab.
 */
export function mayBeForged({ origin, fetch }: PreviewRequest, method: string, own: string, isWebSocket: boolean): boolean {
  if (origin !== undefined && origin !== own) return true;
  if (isWebSocket) return origin === undefined;
  const reading = method === 'GET' || method === 'HEAD';
  if (fetch.site === undefined) return origin === undefined && !reading;
  if (fetch.site === 'same-origin' || fetch.site === 'none') return false;
  return !(reading && fetch.mode === 'navigate' && fetch.dest === 'document');
}

function withoutLink(target: string): { forward: string; link: string | undefined } {
  const at = target.indexOf('?');
  if (at < 0 || !target.includes(PREVIEW_LINK_PARAMETER)) return { forward: target, link: undefined };
  const isLink = (part: string) => part.startsWith(`${PREVIEW_LINK_PARAMETER}=`);
  const parts = target.slice(at + 1).split('&');
  const rest = parts.filter((part) => !isLink(part));
  const link = parts.find(isLink)?.slice(PREVIEW_LINK_PARAMETER.length + 1);
  return { forward: target.slice(0, at) + (rest.length > 0 ? `?${rest.join('&')}` : ''), link };
}

function pathOf(target: string): string {
  const at = target.indexOf('?');
  return at < 0 ? target : target.slice(0, at);
}
