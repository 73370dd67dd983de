import type { ReadModel } from '@sandlot/projections';
import { apiKeys } from './api-keys.js';
import { users } from './users.js';

/** All that this service folds from the log into tables. */
export const readModels: readonly ReadModel[] = [users, apiKeys];
