import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { httpUpstream, type HttpServer } from './raw-peers.js';

/** An issuer of tokens on this machine, whose keys and answers a test can change. */
export class IssuerUnderTest {
  readonly issuer = 'https://login.example';
  keys: JWK[] = [];
  /** How often its keys were fetched. */
  fetched = 0;
  /** What it answers instead of its keys. */
  answer: ((send: (status: number, body: string) => void) => void) | undefined;
  private signer!: CryptoKey;
  private kid = '';
  private server!: HttpServer;

  static async start(): Promise<IssuerUnderTest> {
    const issuer = new IssuerUnderTest();
    issuer.server = await httpUpstream((_, response) => {
      issuer.fetched++;
      const send = (status: number, body: string) => response.writeHead(status, { 'content-type': 'application/json' }).end(body);
      if (issuer.answer) issuer.answer(send);
      else send(200, JSON.stringify({ keys: issuer.keys }));
    });
    await issuer.rotate('first');
    return issuer;
  }

  get jwksUrl(): string {
    return `http://${this.server.address}/jwks`;
  }

  /** Signs with a new key from now on, and publishes no other. */
  async rotate(kid: string, alg = 'ES256'): Promise<void> {
    const pair = await generateKeyPair(alg, { extractable: true });
    this.signer = pair.privateKey;
    this.kid = kid;
    this.keys = [{ ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' }];
  }

  /** A token for alice that is right in everything but what is changed. */
  token(claims: JWTPayload = {}, header: Record<string, unknown> = {}, key: CryptoKey | Uint8Array = this.signer): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const right = { iss: this.issuer, aud: 'sandlot', sub: 'alice', iat: now, exp: now + 300 };
    const crit = header.crit as string[] | undefined;
    return new SignJWT({ ...right, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: this.kid, typ: 'JWT', ...header })
      .sign(key, crit && { crit: Object.fromEntries(crit.map((name) => [name, false])) });
  }

  close(): Promise<void> {
    return this.server.close();
  }
}
