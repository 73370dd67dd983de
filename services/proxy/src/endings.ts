import type { RouteRecord } from '@sandlot/contracts';
import type { ClientConnection } from './client-connection.js';
import type { Directory } from './directory.js';
import type { OpenConnection } from './open-connection.js';
import { over } from './routing.js';

/**
 * Ends what is under way to a sandbox that one of its limits has ended, in the moment in which that is known: the runtime may give it half a
 * minute to stop, and its time would be that much longer for who has a connection open. What waits for it to wake sees to itself.
 */
export class Endings {
  readonly close: () => void;

  constructor(
    directory: Directory,
    private readonly clients: ReadonlySet<ClientConnection>,
    private readonly open: ReadonlySet<OpenConnection>,
  ) {
    this.close = directory.watchRoutes((route) => {
      if (route.state === 'deleting' && route.reason !== undefined) this.end(route);
    });
  }

  private end(route: RouteRecord): void {
    const why = `the sandbox is gone: ${route.reason}`;
    for (const connection of [...this.open]) if (connection.trail.sandboxId === route.sandboxId) connection.leave('going away', why);
    for (const client of this.clients)
      for (const exchange of [...client.underWay]) {
        if (exchange.trail.sandboxId !== route.sandboxId) continue;
        exchange.trail.reason = why;
        exchange.refuse(over(route));
      }
  }
}
