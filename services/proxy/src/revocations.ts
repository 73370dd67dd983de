import type { KeyRecord, UserRecord } from '@sandlot/contracts';
import { whyNoLonger } from './authentication.js';
import type { ClientConnection } from './client-connection.js';
import type { Directory } from './directory.js';
import type { Guests } from './guests.js';
import type { OpenConnection } from './open-connection.js';
import { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';

const LOOK_MS = 1000;

/**
 * Ends what is under way for whoever would no longer be let in: requests, long answers, WebSockets, tunnels, and what waits for a sandbox
 * to wake. A change of a key or user is looked into at once; all of them are looked at every second besides, which also finds
 * the keys that have expired and what a lost connection to NATS has hidden. Ordinary requests pay nothing for this. Who waits for an
 * answer of the API gets it: it may say that this very key is revoked now.
 */
export class Revocations {
  private readonly unwatch: () => void;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly directory: Directory,
    private readonly clients: ReadonlySet<ClientConnection>,
    private readonly open: ReadonlySet<OpenConnection>,
    private readonly now: () => number = Date.now,
    guests?: Guests,
  ) {
    if (guests) guests.onChange = (sandboxId) => this.look(({ guest }) => guest?.sandboxId === sandboxId);
    this.unwatch = directory.watchCredentials((change) => this.look(concerns(change)));
    this.timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Why a request that was just admitted must not pass after all: something changed while it was. */
  since(client: ClientConnection, trail: RequestTrail): Refusal | undefined {
    if (!client.doubtful) return undefined;
    if (client.admitting === 0) client.doubtful = false;
    const reason = this.reason(trail);
    return reason === undefined ? undefined : refusal(reason);
  }

  close(): void {
    this.unwatch();
    clearInterval(this.timer);
  }

  private look(concerned: (trail: RequestTrail) => boolean = () => true): void {
    const ends = <T extends { trail: RequestTrail }>(what: Iterable<T>, end: (each: T, reason: string) => void) => {
      for (const each of what) {
        const reason = each.trail.caller && concerned(each.trail) ? this.reason(each.trail) : undefined;
        if (reason === undefined) continue;
        each.trail.reason = reason;
        end(each, reason);
      }
    };
    ends([...this.open], (connection, reason) => connection.leave('revoked', reason));
    for (const client of this.clients) {
      if (client.admitting > 0) client.doubtful = true;
      if (client.underWay.size > 0)
        ends(
          [...client.underWay].filter(({ asksApi }) => !asksApi),
          (exchange, reason) => exchange.refuse(refusal(reason)),
        );
      if (client.held.size > 0) ends([...client.held], (held, reason) => held.letGo(refusal(reason)));
    }
  }

  private reason({ caller, crossing, guest }: RequestTrail): string | undefined {
    if (guest) return guest.whyNoLonger();
    return caller && whyNoLonger(this.directory, caller, crossing, this.now());
  }
}

function concerns(change: KeyRecord | UserRecord): (trail: RequestTrail) => boolean {
  return 'keyId' in change ? ({ caller }) => caller!.keyId === change.keyId : ({ caller }) => caller!.userId === change.userId;
}

function refusal(reason: string): Refusal {
  return new Refusal('UNAUTHENTICATED', 'The credential is not valid any more', { reason });
}
