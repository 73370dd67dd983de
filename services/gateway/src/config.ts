import { commonSettings, defineConfig, identitySettings, natsSettings, portSetting, type ConfigOf } from '@sandlot/service-kit';
import { z } from 'zod';

export const gatewayConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    ...identitySettings,
    SANDLOT_GATEWAY_PORT: portSetting().default(8081).describe('port of the API, which only the proxy needs to reach; 0 takes a free one'),
    SANDLOT_GATEWAY_HOST: z.string().default('127.0.0.1').describe('address that the API listens on'),
  }),
);
export type GatewayConfig = ConfigOf<typeof gatewayConfig>;
