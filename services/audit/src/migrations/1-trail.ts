import { checkpointTables, loadsTable, slotTables } from '@sandlot/projections';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { refusalsTable } from '../projections/refusals.js';
import { trail } from '../projections/trail.js';

const tables = [checkpointTables('audit'), slotTables('audit', trail, trail.ddl)];

export class Trail1763700000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const table of tables) await table.up(runner);
    await runner.query(loadsTable('audit'));
    await runner.query(refusalsTable);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table audit.refusals; drop table audit.loads');
    for (const table of [...tables].reverse()) await table.down(runner);
  }
}
