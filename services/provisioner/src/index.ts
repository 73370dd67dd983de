export { Sandboxes1763700000000 as ProvisionerSandboxes } from './migrations/1-sandboxes.js';
export { provisionerService } from './service.js';
