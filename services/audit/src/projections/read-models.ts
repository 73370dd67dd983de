import type { ReadModel } from '@sandlot/projections';
import { trail } from './trail.js';

/** All that this service folds from the log into tables. */
export const readModels: readonly ReadModel[] = [trail];
