import type { ReadModel } from '@sandlot/projections';
import { sandboxes } from './sandboxes.js';

/** All that this service folds from the log into tables. */
export const readModels: readonly ReadModel[] = [sandboxes];
