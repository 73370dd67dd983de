import { commonSettings, databaseSettings, defineConfig, natsSettings } from '@sandlot/service-kit';
import { z } from 'zod';

export const auditConfig = defineConfig(z.object({ ...commonSettings, ...natsSettings, ...databaseSettings }));
export type AuditSettings = z.output<typeof auditConfig.schema>;
