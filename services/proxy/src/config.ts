import { commonSettings, defineConfig, flagSetting, identitySettings, natsSettings, portSetting } from '@sandlot/service-kit';
import { z } from 'zod';

export const proxyConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    ...identitySettings,
    SANDLOT_PORT: portSetting().default(8080).describe('the public port; 0 takes a free one'),
    SANDLOT_HOST: z.string().default('0.0.0.0').describe('address that the public port listens on'),
    SANDLOT_GATEWAY_URL: z
      .string()
      .regex(/^http:\/\/[^/@?#]+:\d+\/?$/)
      .default('http://127.0.0.1:8081')
      .describe('http://host:port of the gateway'),
    SANDLOT_RUNTIME: z
      .enum(['agent-sandbox', 'statefulset', 'process', 'memory'])
      .optional()
      .describe('where sandboxes run; only with process may one be on this machine'),
    SANDLOT_ACCESS_LOG: flagSetting().default(true).describe('whether every request leaves a record in the stream ACCESS'),
  }),
);
