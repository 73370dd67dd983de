import type { NatsConnection } from '@nats-io/transport-node';
import { operatedServices } from '@sandlot/contracts';
import { askConditions } from '@sandlot/service-kit';
import type { Observed } from './findings.js';
import { lookAtNatsServers } from './nats-servers.js';
import type { OperationsBucket } from './operations-bucket.js';

export type Seen = Pick<Observed, 'reported' | 'natsServers' | 'operations' | 'backupMaxAgeMs'>;

interface Options {
  readonly nats: NatsConnection;
  readonly bucket: Pick<OperationsBucket, 'look'>;
  readonly natsMonitoringUrls: readonly string[];
  readonly backupMaxAgeMs: number;
}

const withConditions = [...operatedServices, 'proxy'];

/** What the services stand on, and what each of their processes has to say. */
export class Surroundings {
  constructor(private readonly options: Options) {}

  async look(): Promise<Seen> {
    const { nats, bucket, natsMonitoringUrls, backupMaxAgeMs } = this.options;
    const [reported, natsServers, operations] = await Promise.all([
      Promise.all(withConditions.map((service) => askConditions(nats, service))),
      lookAtNatsServers(natsMonitoringUrls),
      bucket.look(),
    ]);
    return { reported: reported.flat(), natsServers, operations, backupMaxAgeMs };
  }
}
