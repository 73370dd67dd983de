import { createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

export interface Certificate {
  /** PEM. */
  certificate: string;
  /** PEM, PKCS #8. */
  key: string;
}

export interface Subject {
  commonName: string;
  /** What Kubernetes takes for the user's group. */
  organization?: string;
  /** DNS names and IPv4 addresses that a server is called by; URIs and addresses of mail that a client is. */
  names?: string[];
  /** Milliseconds since 1970; default: in a year. */
  expiresAt?: number;
}

export interface Authority extends Certificate {
  issue(subject: Subject): Certificate;
}

const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'));
const YEAR_MS = 365 * 24 * 3_600_000;

/** A certificate authority of a cluster's own, P-256. Written out here because Node reads certificates but makes none, and openssl may be missing. */
export function certificateAuthority(commonName: string): Authority {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const own = { commonName };
  const certificate = signed(own, privateKey, own, privateKey, [
    extension('551d13', sequence(tlv(0x01, Buffer.from([0xff]))), true), // basicConstraints: CA
    extension('551d0f', tlv(0x03, Buffer.from([0x01, 0x06])), true), // keyUsage: keyCertSign, cRLSign
  ]);
  return {
    certificate,
    key: pem(privateKey),
    issue(subject) {
      const { privateKey: leaf } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const extensions = [
        extension('551d25', sequence(oid('2b06010505070301'), oid('2b06010505070302'))), // extKeyUsage: serverAuth, clientAuth
        ...(subject.names ? [extension('551d11', sequence(...subject.names.map(generalName)))] : []),
      ];
      return { certificate: signed(subject, leaf, own, privateKey, extensions), key: pem(leaf) };
    },
  };
}

function signed(subject: Subject, key: KeyObject, issuer: Subject, issuerKey: KeyObject, extensions: Buffer[]): string {
  const now = Date.now();
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))), // X.509 v3
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ECDSA_WITH_SHA256,
    name(issuer),
    sequence(time(Math.min(now, subject.expiresAt ?? now) - 3_600_000), time(subject.expiresAt ?? now + YEAR_MS)),
    name(subject),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', body, issuerKey)]);
  const lines =
    sequence(body, ECDSA_WITH_SHA256, tlv(0x03, signature))
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function name({ commonName, organization }: Subject): Buffer {
  const part = (id: string, text: string) => tlv(0x31, sequence(oid(id), tlv(0x0c, Buffer.from(text))));
  return sequence(...(organization ? [part('55040a', organization)] : []), part('550403', commonName));
}

function generalName(text: string): Buffer {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(text)) return tlv(0x87, Buffer.from(text.split('.').map(Number)));
  return tlv(text.includes('://') ? 0x86 : text.includes('@') ? 0x81 : 0x82, Buffer.from(text));
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value));
}

/** UTCTime, which ends in 2049. */
function time(ms: number): Buffer {
  return tlv(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-:T]/g, '')}Z`));
}

function oid(hex: string): Buffer {
  return tlv(0x06, Buffer.from(hex, 'hex'));
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function tlv(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const long = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...long]), value]);
}
