import { z } from 'zod';
import { Timestamp } from '../names.js';

interface CodeInfo {
  readonly severity: 'error' | 'warning';
  readonly title: string;
  /** What to do. */
  readonly hint: string;
  /** Where more stands, from the root of the repository. */
  readonly page: string;
}

/** What can be wrong with a platform. A code never changes its meaning; alerts and runbooks name it. */
export const healthCodes = {
  'SL-SVC-01': {
    severity: 'error',
    title: 'A service does not answer',
    hint: 'Look whether it runs and what it says: its log names NATS or PostgreSQL when it waits for them.',
    page: 'docs/runbooks/SandlotServiceSilent.md',
  },
  'SL-DB-01': {
    severity: 'error',
    title: 'Read models wait for PostgreSQL or NATS',
    hint: 'Bring the server back that the message names; they go on by themselves. Commands do not wait for PostgreSQL.',
    page: 'docs/runbooks/SandlotDatabaseUnavailable.md',
  },
  'SL-PROJ-01': {
    severity: 'error',
    title: 'A read model is parked at an event that it cannot apply',
    hint: 'Retry it when the cause is gone, or skip the position: sandlot-admin projections retry, skip.',
    page: 'docs/how-to/rebuild-read-models.md',
  },
  'SL-PROJ-02': {
    severity: 'error',
    title: 'A read model has halted, because the log is not the one that it was built from',
    hint: 'Stop taking commands and recover the log before anything else.',
    page: 'docs/how-to/recover-the-log.md',
  },
  'SL-PROJ-03': {
    severity: 'warning',
    title: 'A read model is far behind the log',
    hint: 'Wait if it is being filled; otherwise look for a slow disk or database.',
    page: 'docs/how-to/rebuild-read-models.md',
  },
  'SL-PROJ-04': {
    severity: 'error',
    title: 'The rebuild of a read model has stopped',
    hint: 'The old one answers meanwhile. Do what the message says, then retry it.',
    page: 'docs/how-to/rebuild-read-models.md',
  },
  'SL-PROJ-05': {
    severity: 'warning',
    title: 'A read model waits at an event of a newer version',
    hint: 'Update the service that is named: it is older than one that writes. It goes on by itself, and nothing is lost meanwhile.',
    page: 'docs/how-to/upgrade.md',
  },
  'SL-CONS-01': {
    severity: 'warning',
    title: 'A consumer has given up on events',
    hint: 'Read why with sandlot-admin dead-letters list; replay them when the cause is gone.',
    page: 'docs/how-to/rebuild-read-models.md',
  },
  'SL-CONS-02': {
    severity: 'warning',
    title: 'A consumer is paused',
    hint: 'Let it go on with sandlot-admin consumers resume, if whoever paused it has finished.',
    page: 'docs/how-to/rebuild-read-models.md',
  },
  'SL-CONS-03': {
    severity: 'error',
    title: 'A consumer does not move, though events wait for it',
    hint: 'Look into the log of its service for what it fails at: the Kubernetes API, PostgreSQL, one broken sandbox.',
    page: 'docs/how-to/rebuild-after-cluster-loss.md',
  },
  'SL-CONS-04': {
    severity: 'warning',
    title: 'A consumer is far behind the log',
    hint: 'Wait if it moves; otherwise look for what slows its service: the Kubernetes API, PostgreSQL, the CPU.',
    page: 'docs/how-to/rebuild-after-cluster-loss.md',
  },
  'SL-CONS-05': {
    severity: 'warning',
    title: 'A consumer waits at an event of a newer version',
    hint: "Update the consumer's service: it is older than one that writes. The event is handled then by itself, and the others are meanwhile.",
    page: 'docs/how-to/upgrade.md',
  },
  'SL-RUN-01': {
    severity: 'error',
    title: 'The Kubernetes API cannot be reached',
    hint: 'Look at the API server, and at the network and rights of the provisioner. Sandboxes that run go on; none is made, paused or deleted.',
    page: 'docs/runbooks/SandlotKubernetesUnreachable.md',
  },
  'SL-NATS-01': {
    severity: 'warning',
    title: 'The storage of NATS is more than 70 percent full',
    hint: 'Give it a larger disk before it is full: then nothing more is acknowledged, and a server has to be started again.',
    page: 'docs/how-to/disk-full.md',
  },
  'SL-NATS-02': {
    severity: 'error',
    title: 'A NATS server does not answer, or says that it is not healthy',
    hint: 'Read its log. If its disk is full, make room first, then start it again.',
    page: 'docs/how-to/disk-full.md',
  },
  'SL-BAK-01': {
    severity: 'warning',
    title: 'There is no recent backup',
    hint: 'Take one with sandlot-admin backup create, and look why the schedule has not.',
    page: 'docs/how-to/backup-and-restore.md',
  },
  'SL-BAK-02': {
    severity: 'warning',
    title: 'The last backup has failed',
    hint: 'Read the log of the Job, or take one by hand: it says what stood in its way.',
    page: 'docs/how-to/backup-and-restore.md',
  },
  'SL-TLS-01': {
    severity: 'warning',
    title: 'The certificate of the public port expires within 14 days',
    hint: 'Renew it in its files; it is read from there without a restart. Look why whoever renews it has not.',
    page: 'docs/how-to/tls.md',
  },
  'SL-TLS-02': {
    severity: 'error',
    title: 'The certificate of the public port has expired',
    hint: 'Put a valid one into its files; it is read from there without a restart.',
    page: 'docs/how-to/tls.md',
  },
  'SL-TLS-03': {
    severity: 'warning',
    title: 'The files of the certificate hold what cannot be served',
    hint: 'The certificate before goes on being served. Put a certificate and its key into the files that the message names.',
    page: 'docs/how-to/tls.md',
  },
  'SL-ACC-01': {
    severity: 'error',
    title: 'Records of requests are being dropped, or requests refused for want of them',
    hint: 'Look at NATS and its disk: the stream ACCESS does not take them.',
    page: 'docs/how-to/access-logs.md',
  },
  'SL-CLK-01': {
    severity: 'warning',
    title: 'Clocks differ by more than 5 seconds',
    hint: 'Let NTP set the clocks of the machines that the message names. Expiries and tokens go by them; the order of events does not.',
    page: 'docs/runbooks/SandlotClockSkew.md',
  },
} as const satisfies Record<`SL-${string}-${number}`, CodeInfo>;
export type HealthCode = keyof typeof healthCodes;

export const HealthFinding = z
  .object({
    code: z.enum(Object.keys(healthCodes) as [HealthCode, ...HealthCode[]]),
    severity: z.enum(['error', 'warning']),
    subject: z.string().describe('what it is about: a service, read model, consumer or server'),
    message: z.string(),
    hint: z.string(),
    docsUrl: z.string().describe('what the code means and what to do, at this address'),
    since: Timestamp.describe('when this gateway saw it first'),
  })
  .meta({ id: 'HealthFinding' });
export type HealthFinding = z.infer<typeof HealthFinding>;

/** What a process of a service has to say of itself. */
export const ServiceConditions = z.object({
  service: z.string(),
  /** Host and process: several answer for one service. */
  instance: z.string(),
  at: Timestamp.describe('by its own clock'),
  conditions: z.array(HealthFinding.pick({ code: true, subject: true, message: true })),
});
export type ServiceConditions = z.infer<typeof ServiceConditions>;
export type Condition = ServiceConditions['conditions'][number];

/** How far clocks may differ, in ms. */
export const tolerableSkewMs = 5_000;

/** On which every process of a service answers, not one of them. */
export const conditionsSubject = (service: string): string => `svc.${service}.conditions`;

export const PlatformHealth = z
  .object({
    status: z.enum(['ok', 'warning', 'error']).describe('the worst of the findings'),
    items: z.array(HealthFinding).describe('errors first'),
    checkedAt: Timestamp,
  })
  .meta({ id: 'PlatformHealth' });
export type PlatformHealth = z.infer<typeof PlatformHealth>;
