import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/**
 * What lets a browser in at one preview address and nowhere else: in a link, which people pass on, or in the cookie that the link turns
 * into. Neither can be made from the other, nor from anything that the log or a list of previews shows.
 */
export type PassKind = 'link' | 'cookie';

export interface PreviewPass {
  previewId: string;
  /** Seconds since 1970. */
  expiresAt: number;
}

const PASS = /^(prv_[0-9a-hjkmnp-tv-z]{26})\.([1-9][0-9]{0,11})\.([A-Za-z0-9_-]{43})$/;

/** @param host the preview address without a port */
export function signPass(kind: PassKind, { previewId, expiresAt }: PreviewPass, host: string, key: string): string {
  return `${previewId}.${expiresAt}.${mac(kind, previewId, String(expiresAt), host, key).toString('base64url')}`;
}

/** The pass, when it is ours, for this host and not expired. Undefined for anything else; never throws. */
export function verifyPass(kind: PassKind, text: string, host: string, key: string, now: number): PreviewPass | undefined {
  const [, previewId, expiresAt, signature] = PASS.exec(text) ?? [];
  if (!previewId || !expiresAt || !signature) return undefined;
  const given = Buffer.from(signature, 'base64url');
  if (!timingSafeEqual(given, mac(kind, previewId, expiresAt, host, key))) return undefined;
  return Number(expiresAt) * 1000 > now ? { previewId, expiresAt: Number(expiresAt) } : undefined;
}

/** The key that passes are signed with: the one that was set, or one that only who knows the identity key can make. */
export function passKey(settings: { SANDLOT_PREVIEW_KEY?: string | undefined; SANDLOT_IDENTITY_KEY: string }): string {
  return (
    settings.SANDLOT_PREVIEW_KEY ??
    Buffer.from(hkdfSync('sha256', settings.SANDLOT_IDENTITY_KEY, '', 'sandlot previews', 32)).toString('base64url')
  );
}

function mac(kind: PassKind, previewId: string, expiresAt: string, host: string, key: string): Buffer {
  return createHmac('sha256', key)
    .update([`sandlot preview ${kind}`, host, previewId, expiresAt].join('\n'))
    .digest();
}
