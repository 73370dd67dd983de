import { AuditTrail } from '@sandlot/audit';
import { AuthReadModels } from '@sandlot/auth';
import { ensureStreams } from '@sandlot/event-store';
import { migrate, type ServiceDatabase } from '@sandlot/projections';
import { ProvisionerSandboxes } from '@sandlot/provisioner';
import { connectNats, type NatsConfig } from '@sandlot/service-kit';

const migrations = { auth: [AuthReadModels], provisioner: [ProvisionerSandboxes], audit: [AuditTrail] };
export type StoringService = keyof typeof migrations;
export const storingServices = Object.keys(migrations) as StoringService[];

/** Makes the streams and buckets that are missing, as the one identity that may. */
export async function prepareNats(config: NatsConfig, replicas: 1 | 3 = 1): Promise<void> {
  const connection = await connectNats(config, 'migrator');
  try {
    await ensureStreams(connection, { replicas });
  } finally {
    await connection.close();
  }
}

/** Brings every service's schema up to date, and makes its roles where the owner may. */
export async function prepareDatabase(ownerUrl: string): Promise<Record<StoringService, ServiceDatabase>> {
  const databases: Partial<Record<StoringService, ServiceDatabase>> = {};
  for (const service of storingServices) databases[service] = await migrate({ service, ownerUrl, migrations: migrations[service] });
  return databases as Record<StoringService, ServiceDatabase>;
}
