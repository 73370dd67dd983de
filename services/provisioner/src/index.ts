export { migrations as provisionerMigrations } from './migrations/migrations.js';
export { readModels as provisionerReadModels } from './projections/read-models.js';
export { provisionerService } from './service.js';
