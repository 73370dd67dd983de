export { migrations as auditMigrations } from './migrations/migrations.js';
export { readModels as auditReadModels } from './projections/read-models.js';
export { auditService } from './service.js';
