export { Trail1763700000000 as AuditTrail } from './migrations/1-trail.js';
export { auditService } from './service.js';
