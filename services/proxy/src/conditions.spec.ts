import { accessConditions, certificateConditions, expiresSoonMs, recentDropMs } from './conditions.js';

const now = new Date('2026-01-31T12:00:00Z');
const inMs = (ms: number) => new Date(now.getTime() + ms);

describe('what is wrong with a proxy', () => {
  it('is a certificate that expires within 14 days, or has expired', () => {
    const codes = (leftMs: number) => certificateConditions({ expires: inMs(leftMs) }, now).map(({ code }) => code);
    expect([codes(expiresSoonMs + 1), codes(expiresSoonMs), codes(1), codes(0)]).toEqual([[], ['SL-TLS-01'], ['SL-TLS-01'], ['SL-TLS-02']]);
  });

  it('is files that cannot be served, beside the certificate that is', () => {
    const found = certificateConditions({ expires: inMs(2 * expiresSoonMs), problem: 'cannot read tls.key (ENOENT)' }, now);
    expect(found).toEqual([{ code: 'SL-TLS-03', subject: 'proxy/certificate', message: 'cannot read tls.key (ENOENT)' }]);
  });

  it('is records that were dropped lately, and requests that are refused for want of them', () => {
    const records = { dropped: 3, refusing: false, droppedAt: now.getTime() - recentDropMs + 1 };
    expect(accessConditions(records, now)).toMatchObject([{ code: 'SL-ACC-01', message: expect.stringContaining('3 records') }]);
    expect(accessConditions({ ...records, droppedAt: records.droppedAt - 1 }, now)).toEqual([]);
    expect(accessConditions({ dropped: 0, refusing: true, droppedAt: undefined }, now)).toMatchObject([{ code: 'SL-ACC-01' }]);
    expect(accessConditions({ dropped: 0, refusing: false, droppedAt: undefined }, now)).toEqual([]);
  });
});
