import type { RoutePreview, RouteRecord } from '@sandlot/contracts';
import { DirectoryUnavailable, type Answer, type Directory } from './directory.js';

/** Somebody whom a preview lets in, for as long as a request of theirs is under way. */
export interface Guest {
  readonly sandboxId: string;
  /** Why they would not be let in any more; undefined also while nobody can tell. */
  whyNoLonger(): string | undefined;
  leave(): void;
}

/** Who is in sandboxes by a preview. Their routes are watched meanwhile: a pause, a deletion or a revocation sends them away at once. */
export class Guests {
  /** Told which sandbox's guests to look at. */
  onChange: (sandboxId: string) => void = () => undefined;
  private readonly watched = new Map<string, { guests: number; unwatch: () => void }>();

  constructor(
    private readonly directory: Directory,
    private readonly now: () => number,
  ) {}

  join({ sandboxId, username, name, owner }: RouteRecord, preview: RoutePreview): Guest {
    const watched = this.watched.get(sandboxId) ?? {
      guests: 0,
      unwatch: this.directory.watchRoute(username, name, () => this.onChange(sandboxId)),
    };
    watched.guests++;
    this.watched.set(sandboxId, watched);
    return {
      sandboxId,
      whyNoLonger: () => this.whyNoLonger(sandboxId, username, name, owner, preview),
      leave: () => {
        if (--watched.guests > 0) return;
        watched.unwatch();
        this.watched.delete(sandboxId);
      },
    };
  }

  private whyNoLonger(sandboxId: string, username: string, name: string, owner: string, preview: RoutePreview): string | undefined {
    if (Date.parse(preview.expiresAt) <= this.now()) return 'the preview has expired';
    const [found, user] = [known(() => this.directory.route(username, name)), known(() => this.directory.user(owner))];
    if (user?.answer && user.answer.status !== 'active') return `user ${user.answer.status}`;
    if (!found) return undefined;
    const { answer: route } = found;
    if (route?.sandboxId !== sandboxId) return 'the sandbox is gone';
    if (route.state !== 'running') return `the sandbox is ${route.state}`;
    return route.previews?.some(({ id }) => id === preview.id) ? undefined : 'the preview was revoked';
  }
}

/** What is in memory; undefined where it would have to be asked for: nobody is sent away for that. */
function known<T>(ask: () => Answer<T>): { answer: T | undefined } | undefined {
  try {
    const answer = ask();
    if (!(answer instanceof Promise)) return { answer };
    answer.catch(() => undefined);
    return undefined;
  } catch (error) {
    if (error instanceof DirectoryUnavailable) return undefined;
    throw error;
  }
}
