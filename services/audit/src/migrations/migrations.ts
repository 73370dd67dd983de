import type { Migration } from '@sandlot/projections';
import { Trail1763700000000 } from './1-trail.js';
import { Access1764200000000 } from './2-access.js';

/** In the order in which they run. What has been released stays as it is: docs/how-to/upgrade.md. */
export const migrations: readonly Migration[] = [Trail1763700000000, Access1764200000000];
