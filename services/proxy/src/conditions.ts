import type { Condition } from '@sandlot/contracts';

/** How long before its end a certificate is worth a warning, in ms: whoever renews automatically has done it by then. */
export const expiresSoonMs = 14 * 86_400_000;
/** How long a dropped record is spoken of, in ms. */
export const recentDropMs = 15 * 60_000;

export interface Certificate {
  readonly expires: Date;
  /** Why what the files hold now cannot be served. */
  readonly problem?: string | undefined;
}

export function certificateConditions({ expires, problem }: Certificate, now: Date): Condition[] {
  const subject = 'proxy/certificate';
  const left = expires.getTime() - now.getTime();
  const found: Condition[] = [];
  if (left <= 0) found.push({ code: 'SL-TLS-02', subject, message: `it expired at ${expires.toISOString()}` });
  else if (left <= expiresSoonMs) found.push({ code: 'SL-TLS-01', subject, message: `it expires at ${expires.toISOString()}` });
  if (problem !== undefined) found.push({ code: 'SL-TLS-03', subject, message: problem });
  return found;
}

export interface AccessRecords {
  readonly dropped: number;
  readonly refusing: boolean;
  /** When the last one was, in ms since 1970. */
  readonly droppedAt: number | undefined;
}

export function accessConditions({ dropped, refusing, droppedAt }: AccessRecords, now: Date): Condition[] {
  const recent = droppedAt !== undefined && now.getTime() - droppedAt < recentDropMs;
  if (!recent && !refusing) return [];
  const message = refusing ? 'requests are refused, for they cannot be recorded' : `${dropped} records dropped since the proxy started`;
  return [{ code: 'SL-ACC-01', subject: 'proxy/access-records', message }];
}
