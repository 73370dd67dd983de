import { runService } from '@sandlot/service-kit';
import { provisionerService } from './service.js';

await runService(provisionerService, process.env);
