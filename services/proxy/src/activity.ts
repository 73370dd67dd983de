import type { RequestTrail, Use } from './record.js';

/**
 * Which sandboxes are in use, of those that have a limit of idle time: asked for now and then, and told from what the trails count anyway.
 * A request is use for as long as it is under way, however quiet; a WebSocket or tunnel is while bytes pass.
 */
export class Activity implements Use {
  private readonly used = new Set<string>();
  /** What is under way, and how much had passed at the last look. */
  private readonly underWay = new Map<RequestTrail, number>();

  begin(trail: RequestTrail): void {
    this.used.add(trail.sandboxId!);
    this.underWay.set(trail, passed(trail));
    trail.use = this;
  }

  end(trail: RequestTrail): void {
    this.look(trail, this.underWay.get(trail) ?? 0);
    this.underWay.delete(trail);
  }

  /** The sandboxes that were used since the last call. */
  take(): string[] {
    for (const [trail, before] of this.underWay) this.look(trail, before);
    const used = [...this.used];
    this.used.clear();
    return used;
  }

  private look(trail: RequestTrail, before: number): void {
    const now = passed(trail);
    const quiet = trail.kind !== 'http' && now === before;
    if (!quiet) this.used.add(trail.sandboxId!);
    this.underWay.set(trail, now);
  }
}

const passed = ({ bytesIn, bytesOut }: RequestTrail): number => bytesIn + bytesOut;
