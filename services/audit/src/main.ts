import { runService } from '@sandlot/service-kit';
import { auditService } from './service.js';

await runService(auditService, process.env);
