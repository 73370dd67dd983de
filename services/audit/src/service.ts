import { JetStreamServer } from '@sandlot/consumers';
import type { ServiceDefinition } from '@sandlot/service-kit';
import { AuditModule } from './audit.module.js';
import { auditConfig } from './config.js';

export const auditService: ServiceDefinition<typeof auditConfig> = {
  name: 'audit',
  config: auditConfig,
  module: (kit) => AuditModule.with(kit),
  strategies: (_, app) => [app.get(JetStreamServer)],
};
