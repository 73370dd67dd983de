import type { Migration } from '@sandlot/projections';
import { ReadModels1763700000000 } from './1-read-models.js';

/** In the order in which they run. What has been released stays as it is: docs/how-to/upgrade.md. */
export const migrations: readonly Migration[] = [ReadModels1763700000000];
