import { runService } from '@sandlot/service-kit';
import { proxyService } from './proxy.module.js';

// PORT is the older name of the setting; SANDLOT_PORT wins.
await runService(proxyService, { SANDLOT_PORT: process.env.PORT, ...process.env });
