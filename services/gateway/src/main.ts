import { runService } from '@sandlot/service-kit';
import { gatewayService } from './service.js';

await runService(gatewayService, process.env);
