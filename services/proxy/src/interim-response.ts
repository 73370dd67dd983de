import type { ClientResponse } from './client-message.js';
import type { ResponseHead } from './response-head.js';

/** Stricter than what node:http takes in a 103, which throws for every other link. */
const LINK = /^<[^>\s]*>(?:; ?[a-z]+(?:=(?:[\w./-]+|"[\w./-]+"))?)*$/;
const BETWEEN_LINKS = /,[ \t]*(?=<)/;

/**
 * Passes 102 and the links of 103 on (RFC 9110 §15.2), for clients of HTTP/1.1. 100 is Exchange's own, and there are no others. A link that
 * cannot be passed on is left out: it was a hint.
 */
export function passInterim({ status, headers }: ResponseHead, response: ClientResponse): void {
  if (status === 102) return response.writeProcessing();
  if (status !== 103) return;
  const values = headers.filter((_, i) => i % 2 === 1 && headers[i - 1]!.toLowerCase() === 'link');
  const links = values.flatMap((value) => value.split(BETWEEN_LINKS)).filter((link) => LINK.test(link));
  if (links.length > 0) response.writeEarlyHints({ link: links });
}
