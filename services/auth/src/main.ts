import { runService } from '@sandlot/service-kit';
import { authService } from './service.js';

await runService(authService, process.env);
