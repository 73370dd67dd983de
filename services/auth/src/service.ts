import { JetStreamServer } from '@sandlot/consumers';
import type { ServiceDefinition } from '@sandlot/service-kit';
import { AuthModule } from './auth.module.js';
import { authConfig } from './config.js';

export const authService: ServiceDefinition<typeof authConfig> = {
  name: 'auth',
  config: authConfig,
  module: (kit) => AuthModule.with(kit),
  strategies: (_, app) => [app.get(JetStreamServer)],
};
