import { z } from 'zod';

/** What may be allowed of an issuer that publishes its keys: signatures by key pairs alone. `none` and shared secrets are not among them. */
const PUBLIC_KEY_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;

/** Whose tokens are believed, for whom they must be, and which of our users they stand for. */
export const TokenIssuer = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,14}$/, 'must match [a-z][a-z0-9-]{0,14}')
      .describe('what the trail calls it'),
    issuer: z.string().min(1).describe('the claim iss, exactly'),
    jwksUrl: z.url().describe('where its public keys are'),
    loopbackHttp: z.boolean().default(false).describe('lets jwksUrl be http on this machine, for tests'),
    audience: z.string().min(1).describe('what the claim aud must be or hold'),
    authorizedParty: z.string().min(1).optional().describe('what the claim azp must be'),
    algorithms: z.array(z.enum(PUBLIC_KEY_ALGORITHMS)).min(1).default(['RS256', 'ES256']),
    userClaim: z.string().min(1).describe('the claim that names the user'),
    userBy: z.enum(['username', 'id']).default('username').describe('what stands in that claim'),
  })
  .superRefine(({ name, issuer, jwksUrl, loopbackHttp }, context) => {
    if (name === 'shared' || issuer === 'sandlot') context.addIssue({ code: 'custom', message: 'is the issuer of SANDLOT_JWT_SECRET' });
    const { protocol, hostname, username } = new URL(jwksUrl);
    const loopback = protocol === 'http:' && loopbackHttp && ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
    if ((protocol !== 'https:' && !loopback) || username) {
      const message = 'must be https, without credentials; http only on this machine and with loopbackHttp';
      context.addIssue({ code: 'custom', path: ['jwksUrl'], message });
    }
  });
export type TokenIssuer = z.output<typeof TokenIssuer>;

const TokenIssuerList = z.array(TokenIssuer).min(1).superRefine((issuers, context) => {
  for (const field of ['name', 'issuer'] as const) {
    if (new Set(issuers.map((issuer) => issuer[field])).size < issuers.length)
      context.addIssue({ code: 'custom', message: `two issuers have the same ${field}` });
  }
}); // prettier-ignore

/** A JSON array of issuers, as a setting. */
export const tokenIssuers = () =>
  z.string().transform((text, context): TokenIssuer[] => {
    const parsed = TokenIssuerList.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    context.addIssue({ code: 'custom', message: issue!.path.length > 0 ? `${issue!.path.join('.')}: ${issue!.message}` : issue!.message });
    return z.NEVER;
  });

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
