import { checkpointTables, loadsTable, slotTables } from '@sandlot/projections';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { apiKeys } from '../projections/api-keys.js';
import { keyUsageTable } from '../projections/key-usage.js';
import { users } from '../projections/users.js';

const tables = [
  checkpointTables('auth'),
  slotTables('auth', users, (slot) => `${users.ddl(slot)}; create index on ${slot}.users (status, id)`),
  slotTables('auth', apiKeys, (slot) => `${apiKeys.ddl(slot)}; create index on ${slot}.api_keys (user_id, id)`, {
    tenants: { api_keys: 'user_id' },
  }),
];

export class ReadModels1763700000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of tables) await table.up(runner);
    await runner.query(loadsTable('auth'));
    await runner.query(keyUsageTable);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table auth.key_usage; drop table auth.loads');
    for (const table of [...tables].reverse()) await table.down(runner);
  }
}
