import type { MigrationInterface, QueryRunner } from 'typeorm';
import { accessTables } from '../projections/access-log.js';

export class Access1764200000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(accessTables);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop function audit.add_access_days, audit.drop_access_days; drop table audit.access_usage, audit.access_log');
  }
}
