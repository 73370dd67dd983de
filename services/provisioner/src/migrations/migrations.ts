import type { Migration } from '@sandlot/projections';
import { Sandboxes1763700000000 } from './1-sandboxes.js';

/** In the order in which they run. What has been released stays as it is: docs/how-to/upgrade.md. */
export const migrations: readonly Migration[] = [Sandboxes1763700000000];
