import type { ServiceDefinition } from '@sandlot/service-kit';
import { canonicalUrl } from './canonical-url.js';
import { gatewayConfig } from './config.js';
import { gatewayModule } from './gateway.module.js';
import { ApiDocument } from './openapi/api-document.js';

export const gatewayService: ServiceDefinition<typeof gatewayConfig> = {
  name: 'gateway',
  config: gatewayConfig,
  servesWithoutNats: true,
  module: gatewayModule,
  http: ({ config }) => ({
    port: config.SANDLOT_GATEWAY_PORT,
    host: config.SANDLOT_GATEWAY_HOST,
    identityKey: config.SANDLOT_IDENTITY_KEY,
    rewriteUrl: canonicalUrl,
  }),
  prepare: (app) => app.get(ApiDocument).describes(app),
};
