import type { BackupRecord, Condition, ConsumerView, ProjectionView } from '@sandlot/contracts';
import { healthCodes, type HealthCode } from '@sandlot/contracts';
import { farBehindEvents, findings, type Observed } from './findings.js';

const projection: ProjectionView = {
  name: 'users',
  service: 'auth',
  status: 'running',
  reason: null,
  message: null,
  position: 9,
  head: 9,
  lagEvents: 0,
  rebuild: null,
};
const consumer: ConsumerView = {
  name: 'auth-forget',
  service: 'auth',
  position: 9,
  pending: 0,
  unacknowledged: 0,
  redelivered: 0,
  pausedUntil: null,
  deadLetters: 0,
};
const fine: Observed = {
  projections: [projection],
  consumers: [consumer],
  unanswered: [],
  stuck: new Set(),
  reported: [
    { service: 'auth', instance: 'a/1', at: '2026-01-31T11:59:58.000Z', heardAt: new Date('2026-01-31T12:00:00Z'), conditions: [] },
  ],
  natsServers: [{ server: '127.0.0.1:8222', storedBytes: 70, limitBytes: 100 }],
  operations: { since: new Date('2026-01-30T12:00:00Z'), natsSkewMs: -4_000 },
  backupMaxAgeMs: 86_400_000,
  now: new Date('2026-01-31T12:00:00Z'),
};
const reporting = (...conditions: Condition[]) => [{ ...fine.reported[0]!, conditions }];
const lastBackup: BackupRecord = {
  id: 'b',
  at: '2026-01-30T11:59:59.000Z',
  events: 1,
  bytes: 1,
  durationMs: 1,
  target: 's3',
  logChecked: true,
};
const lastFailure = { at: '2026-01-31T11:59:59.000Z', message: 'the bucket is away' };
const failed = (lastAt: string) => ({
  ...fine.operations!,
  lastBackup: { ...lastBackup, at: lastAt },
  backups: { successes: 1, failures: 1, lastFailure },
});
const told = (code: HealthCode, subject: string) => ({ reported: reporting({ code, subject, message: 'as it was told' }) });
const rebuild = { position: 1, target: 9, ratio: 0.1, status: 'halted', reason: 'GAP', message: 'no position 2' };

const cases: Record<HealthCode, Partial<Observed>> = {
  'SL-SVC-01': { unanswered: [{ service: 'auth', code: 'UNAVAILABLE', detail: 'nobody there' }] },
  'SL-DB-01': { projections: [{ ...projection, status: 'waiting', message: 'PostgreSQL is away' }] },
  'SL-PROJ-01': { projections: [{ ...projection, status: 'parked', message: 'position 8: not an event' }] },
  'SL-PROJ-02': { projections: [{ ...projection, status: 'halted', message: 'the log ends before' }] },
  'SL-PROJ-03': { projections: [{ ...projection, lagEvents: farBehindEvents + 1 }] },
  'SL-PROJ-04': { projections: [{ ...projection, rebuild }] },
  'SL-PROJ-05': {
    projections: [{ ...projection, status: 'halted', reason: 'NEWER_EVENT', message: 'position 8 holds sandbox.paused.v2' }],
  },
  'SL-CONS-01': { consumers: [{ ...consumer, deadLetters: 2 }] },
  'SL-CONS-02': { consumers: [{ ...consumer, pending: 3, pausedUntil: '2026-01-31T13:00:00.000Z' }] },
  'SL-CONS-04': { consumers: [{ ...consumer, pending: farBehindEvents + 1 }] },
  'SL-CONS-05': {
    consumers: [{ ...consumer, unacknowledged: 1 }],
    stuck: new Set(['auth-forget']),
    ...told('SL-CONS-05', 'auth-forget'),
  },
  'SL-NATS-01': { natsServers: [{ server: 'n:8222', storedBytes: 71, limitBytes: 100 }] },
  'SL-NATS-02': { natsServers: [{ server: 'n:8222', storedBytes: 99, limitBytes: 100, trouble: 'no space left on device' }] },
  'SL-BAK-01': { operations: { ...fine.operations!, lastBackup } },
  'SL-BAK-02': { operations: failed('2026-01-31T11:00:00.000Z') },
  'SL-RUN-01': told('SL-RUN-01', 'provisioner/statefulset'),
  'SL-TLS-01': told('SL-TLS-01', 'proxy/certificate'),
  'SL-TLS-02': told('SL-TLS-02', 'proxy/certificate'),
  'SL-TLS-03': told('SL-TLS-03', 'proxy/certificate'),
  'SL-ACC-01': told('SL-ACC-01', 'proxy/access-records'),
  'SL-CLK-01': { reported: [{ ...fine.reported[0]!, at: '2026-01-31T12:00:06.000Z' }] },
  'SL-CONS-03': { consumers: [{ ...consumer, pending: 3 }], stuck: new Set(['auth-forget']) },
};

const likened = <Found extends { message: RegExp }>(found: Found) => ({ ...found, message: expect.stringMatching(found.message) });

describe('what is wrong with a platform', () => {
  it('is nothing where everything runs', () => {
    expect(findings(fine)).toEqual([]);
  });

  it.each(Object.entries(cases))('%s is found, and says about what', (code, change) => {
    const [found, ...more] = findings({ ...fine, ...change });
    expect(more).toEqual([]);
    expect(found).toMatchObject({
      code,
      subject: expect.stringMatching(/^(auth|nats|backup|provisioner|proxy)/),
      message: expect.stringMatching(/.{4}/),
    });
  });

  it('is not that a pause is over, a standby stands by, or a read model is a little behind', () => {
    const harmless = [
      { ...projection, status: 'standby' as const },
      { ...projection, lagEvents: farBehindEvents },
    ];
    expect(findings({ ...fine, projections: harmless, consumers: [{ ...consumer, pausedUntil: '2026-01-31T11:00:00.000Z' }] })).toEqual([]);
  });

  it('is a clock of NATS that is wrong, too', () => {
    const operations = { ...fine.operations!, natsSkewMs: 65_000 };
    expect(findings({ ...fine, operations })).toMatchObject([{ code: 'SL-CLK-01', subject: 'nats', message: /65.0 s ahead/ }].map(likened));
  });

  it('is no backup where none was ever taken for as long as one may be old, and not where nobody takes any', () => {
    const operations = { ...fine.operations!, since: new Date('2026-01-30T11:59:59Z') };
    expect(findings({ ...fine, operations })).toMatchObject([{ code: 'SL-BAK-01', message: 'none has ever been taken' }]);
    expect(findings({ ...fine, operations, backupMaxAgeMs: 0 })).toEqual([]);
    expect(findings({ ...fine, operations: undefined })).toEqual([]);
  });

  it('is not a backup that failed before one that did not', () => {
    const operations = failed('2026-01-31T12:00:00.000Z');
    expect(findings({ ...fine, operations })).toEqual([]);
  });

  it('says what to do about each', () => {
    for (const [code, { hint, page }] of Object.entries(healthCodes))
      expect([code, hint, page]).toEqual([code, expect.stringMatching(/\.$/), expect.stringMatching(/^docs\/.+\.md$/)]);
  });
});
