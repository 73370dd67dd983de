import {
  commonSettings,
  defineConfig,
  flagSetting,
  identitySettings,
  natsSettings,
  orFile,
  portSetting,
  previewSettings,
  secret,
} from '@sandlot/service-kit';
import { z } from 'zod';
import { isCertificateRule } from './client-certificate.js';
import { isNetwork } from './client-origin.js';
import { tokenIssuers } from './token-issuer.js';

const wholeNumber = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

export const proxyConfig = defineConfig(
  z.object({
    ...commonSettings,
    ...natsSettings,
    ...identitySettings,
    ...previewSettings,
    SANDLOT_PORT: portSetting().default(8080).describe('the public port; 0 takes a free one'),
    SANDLOT_HOST: z.string().default('0.0.0.0').describe('address that the public port listens on'),
    SANDLOT_TLS_CERT_FILE: z
      .string()
      .optional()
      .describe('PEM file with the certificate of the public port, and those between it and its authority'),
    SANDLOT_TLS_KEY_FILE: z.string().optional().describe('PEM file with the private key of that certificate'),
    SANDLOT_TLS_CLIENT_CA_FILE: z.string().optional().describe('PEM file with the authority whose certificates sign users in'),
    SANDLOT_TLS_CLIENT_USER: z
      .string()
      .refine(isCertificateRule, 'must be CN=, URI= or email=, and hold {username} once')
      .default('CN={username}')
      .describe(
        "where a client's certificate has the username: CN={username}, URI=spiffe://example.org/user/{username}, email={username}@example.org",
      ),
    SANDLOT_GATEWAY_URL: z
      .string()
      .regex(/^http:\/\/[^/@?#]+:\d+\/?$/)
      .default('http://127.0.0.1:8081')
      .describe('http://host:port of the gateway'),
    SANDLOT_RUNTIME: z
      .enum(['auto', 'agent-sandbox', 'statefulset', 'process', 'memory'])
      .optional()
      .describe('where sandboxes run; only with process may one be on this machine'),
    SANDLOT_DISCOVERY: z
      .string()
      .default('')
      .transform((namespaces) => namespaces.trim() !== '')
      .describe('the same as of the provisioner: where it is empty, no discovered sandbox is reached'),
    SANDLOT_TRUSTED_PROXIES: z
      .string()
      .default('')
      .transform((text) =>
        text
          .split(',')
          .map((part) => part.trim())
          .filter(Boolean),
      ) // prettier-ignore
      .refine((networks) => networks.every(isNetwork), 'must be addresses or networks like 10.0.0.0/8, separated by commas')
      .describe('addresses and networks of proxies in front, whose X-Forwarded-For and X-Forwarded-Proto are believed; default: nobody’s'),
    SANDLOT_WAKE_TIMEOUT: wholeNumber(0, 600)
      .default(30)
      .describe('seconds that a request is held until its paused or starting sandbox runs; 0 wakes and holds none, they are answered 503'),
    SANDLOT_TUNNEL_IDLE_TIMEOUT: wholeNumber(10, 604_800)
      .default(3600)
      .describe('seconds for which nothing may pass in a tunnel before it is closed'),
    SANDLOT_WEBSOCKET_IDLE_TIMEOUT: wholeNumber(0, 604_800)
      .default(0)
      .describe('seconds for which nothing may pass in a WebSocket, pings included, before it is closed; 0 for no limit'),
    SANDLOT_MAX_REQUESTS_PER_USER: wholeNumber(0, 100_000)
      .default(1000)
      .describe('requests that a user may have under way in one proxy; 0 for no limit'),
    SANDLOT_MAX_CONNECTIONS_PER_USER: wholeNumber(0, 100_000)
      .default(1000)
      .describe('WebSockets and tunnels that a user may have open in one proxy; 0 for no limit'),
    SANDLOT_MAX_REQUESTS_PER_SECOND: wholeNumber(0, 1_000_000)
      .default(0)
      .describe('requests per second of one key in all proxies, with bursts of twice as many; 0 for no limit'),
    SANDLOT_MAX_REQUESTS_PER_SECOND_PER_SANDBOX: wholeNumber(0, 1_000_000)
      .default(0)
      .describe('requests per second to one sandbox, as SANDLOT_MAX_REQUESTS_PER_SECOND; 0 for no limit'),
    SANDLOT_MAX_REQUESTS_PER_SECOND_PER_USER: wholeNumber(0, 1_000_000)
      .default(0)
      .describe('requests per second of all keys of a user, as SANDLOT_MAX_REQUESTS_PER_SECOND; 0 for no limit'),
    SANDLOT_JWT_ISSUERS: orFile(tokenIssuers())
      .optional()
      .describe('whose tokens are accepted besides API keys, a JSON array: docs/how-to/sign-in-with-jwt.md'),
    SANDLOT_JWT_SECRET: secret(z.string().min(32))
      .optional()
      .describe('at least 32 characters, with which tokens of the issuer `sandlot` are signed (HS256); without it there are none'),
    SANDLOT_ACCESS_LOG: flagSetting().default(true).describe('whether every request leaves a record in the stream ACCESS'),
    SANDLOT_METRICS_SANDBOXES: wholeNumber(0, 100_000)
      .default(0)
      .describe('sandboxes whose requests are counted one by one in /metrics, by name; further ones are counted together, 0 none'),
    SANDLOT_ACCESS_OVERFLOW: z
      .enum(['drop', 'refuse'])
      .default('drop')
      .describe('when records cannot be stored and 50,000 wait: drop further ones, or refuse requests'),
  }),
);
