import { auditMigrations } from '@sandlot/audit';
import { authMigrations } from '@sandlot/auth';
import { ensureStreams } from '@sandlot/event-store';
import { migrate, type ServiceDatabase } from '@sandlot/projections';
import { provisionerMigrations } from '@sandlot/provisioner';
import { connectNats, type NatsConfig } from '@sandlot/service-kit';

const migrations = { auth: authMigrations, provisioner: provisionerMigrations, audit: auditMigrations };
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
export async function prepareDatabase(
  ownerUrl: string,
  progress?: (line: string) => void,
): Promise<Record<StoringService, ServiceDatabase>> {
  const databases: Partial<Record<StoringService, ServiceDatabase>> = {};
  for (const service of storingServices)
    databases[service] = await migrate({ service, ownerUrl, migrations: migrations[service], ...(progress && { progress }) });
  return databases as Record<StoringService, ServiceDatabase>;
}
