import { checkpointTables, slotTables } from '@sandlot/projections';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { sandboxes } from '../projections/sandboxes.js';

const tables = [
  checkpointTables('provisioner'),
  slotTables(
    'provisioner',
    sandboxes,
    (slot) => `${sandboxes.ddl(slot)}; create index on ${slot}.sandboxes (owner, id); create index on ${slot}.sandboxes (phase, id)`,
    { tenants: { sandboxes: 'owner' } },
  ),
];

export class Sandboxes1763700000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of tables) await table.up(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...tables].reverse()) await table.down(runner);
  }
}
