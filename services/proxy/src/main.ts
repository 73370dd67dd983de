import { runService } from '@sandlot/service-kit';
import { proxyService } from './proxy.module.js';

await runService(proxyService, process.env);
