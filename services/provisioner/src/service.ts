import { JetStreamServer } from '@sandlot/consumers';
import type { ServiceDefinition } from '@sandlot/service-kit';
import { provisionerConfig } from './config.js';
import { ProvisionerModule } from './provisioner.module.js';

export const provisionerService: ServiceDefinition<typeof provisionerConfig> = {
  name: 'provisioner',
  config: provisionerConfig,
  module: (kit) => ProvisionerModule.with(kit),
  strategies: (_, app) => [app.get(JetStreamServer)],
};
