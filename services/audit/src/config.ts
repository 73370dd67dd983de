import { commonSettings, databaseSettings, defineConfig, natsSettings } from '@sandlot/service-kit';
import { z } from 'zod';

const days = () => z.coerce.number().int().min(1).max(3650);

export const auditConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    ...databaseSettings,
    SANDLOT_ACCESS_RETENTION_DAYS: days().default(30).describe('days for which the records of requests and connections are kept'),
    SANDLOT_USAGE_RETENTION_DAYS: days().default(400).describe('days for which the usage per user, day and sandbox is kept'),
  }),
);
export type AuditSettings = z.output<typeof auditConfig.schema>;
