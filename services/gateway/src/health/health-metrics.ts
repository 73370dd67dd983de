import { metrics, type ObservableResult } from '@opentelemetry/api';
import { healthCodes, type BackupRecord, type ConsumerView, type HealthCode } from '@sandlot/contracts';
import type { Finding } from './findings.js';
import type { Seen } from './surroundings.js';

/** What the last look has seen. */
export interface LastLook extends Pick<Seen, 'natsServers' | 'operations'> {
  readonly found: readonly Finding[];
  readonly consumers: readonly ConsumerView[];
}

/** The health of the platform for Prometheus, as the gateway saw it last; nothing before its first look. @returns stops it */
export function observeHealth(last: () => LastLook | undefined): () => void {
  const meter = metrics.getMeter('@sandlot/gateway');
  const stops: (() => void)[] = [];
  const observe = (
    kind: 'Gauge' | 'Counter',
    name: string,
    description: string,
    show: (look: LastLook, result: ObservableResult) => void,
  ) => {
    const instrument = meter[`createObservable${kind}`](name, { description });
    const callback = (result: ObservableResult) => {
      const look = last();
      if (look) show(look, result);
    };
    instrument.addCallback(callback);
    stops.push(() => instrument.removeCallback(callback));
  };
  observe(
    'Gauge',
    'sandlot_health_findings',
    'What is wrong with the platform, by health code; 0 where nothing is',
    ({ found }, result) => {
      for (const [code, { severity }] of Object.entries(healthCodes))
        result.observe(found.filter((finding) => finding.code === (code as HealthCode)).length, { code, severity });
    },
  );
  observe(
    'Gauge',
    'sandlot_parked_messages',
    'Events that a consumer has given up on and that nobody has settled',
    ({ consumers }, result) => {
      for (const { name, deadLetters } of consumers) result.observe(deadLetters, { consumer: name });
    },
  );
  observe('Gauge', 'sandlot_nats_up', '1 when a NATS server answers and says that it is healthy', ({ natsServers }, result) => {
    for (const { server, trouble } of natsServers) result.observe(trouble === undefined ? 1 : 0, { server });
  });
  observe('Gauge', 'sandlot_nats_storage_bytes', 'What JetStream holds on a server', ({ natsServers }, result) => {
    for (const { server, storedBytes } of natsServers) if (storedBytes !== undefined) result.observe(storedBytes, { server });
  });
  observe('Gauge', 'sandlot_nats_storage_limit_bytes', 'The most that JetStream can hold on a server', ({ natsServers }, result) => {
    for (const { server, limitBytes } of natsServers) if (limitBytes !== undefined) result.observe(limitBytes, { server });
  });
  const backup = (name: string, description: string, value: (last: BackupRecord) => number) =>
    observe('Gauge', name, description, ({ operations }, result) => {
      const success = operations?.lastBackup;
      if (success) result.observe(value(success));
    });
  backup('sandlot_backup_last_success_timestamp_seconds', 'When the last backup was complete and read back, since 1970', ({ at }) =>
    secondsOf(at),
  );
  observe(
    'Gauge',
    'sandlot_backup_last_verify_timestamp_seconds',
    'When the last backup was read back and every hash of the log checked, since 1970',
    ({ operations }, result) => {
      const success = operations?.lastBackup;
      if (success?.logChecked) result.observe(secondsOf(success.at));
    },
  );
  backup('sandlot_backup_duration_seconds', 'How long the last backup took', ({ durationMs }) => durationMs / 1_000);
  backup('sandlot_backup_size_bytes', 'How large the last backup is', ({ bytes }) => bytes);
  backup('sandlot_backup_events', 'How many events of the log the last backup holds', ({ events }) => events);
  observe('Counter', 'sandlot_backups_total', 'Backups by what came of them', ({ operations }, result) => {
    result.observe(operations?.backups?.successes ?? 0, { outcome: 'succeeded' });
    result.observe(operations?.backups?.failures ?? 0, { outcome: 'failed' });
  });
  return () => stops.forEach((stop) => stop());
}

const secondsOf = (at: string): number => Date.parse(at) / 1_000;
