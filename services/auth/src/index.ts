export { authService } from './service.js';
export { ReadModels1763700000000 as AuthReadModels } from './migrations/1-read-models.js';
