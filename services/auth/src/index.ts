export { authService } from './service.js';
export { migrations as authMigrations } from './migrations/migrations.js';
export { readModels as authReadModels } from './projections/read-models.js';
