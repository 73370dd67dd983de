import type { Migration, ReadModel } from '@sandlot/projections';

export interface ServiceTables {
  readonly service: 'auth' | 'provisioner' | 'audit';
  readonly migrations: readonly Migration[];
  readonly readModels: readonly ReadModel[];
}

/** What each service keeps in PostgreSQL. Loaded only by the commands that look there: everything else about the services is the API's to say. */
export async function servicesWithTables(): Promise<ServiceTables[]> {
  const [auth, provisioner, audit] = await Promise.all([import('@sandlot/auth'), import('@sandlot/provisioner'), import('@sandlot/audit')]);
  return [
    { service: 'auth', migrations: auth.authMigrations, readModels: auth.authReadModels },
    { service: 'provisioner', migrations: provisioner.provisionerMigrations, readModels: provisioner.provisionerReadModels },
    { service: 'audit', migrations: audit.auditMigrations, readModels: audit.auditReadModels },
  ];
}
