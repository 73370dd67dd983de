import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

/** In which the proxy tells the gateway whose request it is. A client's own is removed before. */
export const IDENTITY_HEADER = 'x-sandlot-identity';

/** How old an assertion may be, in seconds, and how far the clocks of proxy and gateway may be apart. */
const maxAgeSeconds = 30;

export const IdentityClaims = z.object({
  userId: z.string(),
  username: z.string(),
  role: z.enum(['admin', 'user']),
  keyId: z.string(),
  ip: z.string(),
  requestId: z.string(),
  iat: z.number().describe('seconds since 1970'),
});
export type IdentityClaims = z.infer<typeof IdentityClaims>;

/** `<base64url JSON>.<base64url HMAC-SHA256 of the first part>` */
export function signIdentity(claims: IdentityClaims, key: string): string {
  const body = Buffer.from(JSON.stringify(claims)).toString('base64url');
  return `${body}.${mac(body, key).toString('base64url')}`;
}

/** The claims, when the signature is ours and they are at most 30 s old. Undefined for anything else; never throws. */
export function verifyIdentity(header: unknown, key: string, { now }: { now: Date }): IdentityClaims | undefined {
  if (typeof header !== 'string' || header.length > 4096) return undefined;
  const [body, signature, ...more] = header.split('.');
  if (!body || !signature || more.length > 0) return undefined;
  const given = Buffer.from(signature, 'base64url');
  const expected = mac(body, key);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const claims = parse(body);
  if (!claims || Math.abs(now.getTime() / 1000 - claims.iat) > maxAgeSeconds) return undefined;
  return claims;
}

function parse(body: string): IdentityClaims | undefined {
  try {
    return IdentityClaims.safeParse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

function mac(body: string, key: string): Buffer {
  return createHmac('sha256', key).update(body).digest();
}
