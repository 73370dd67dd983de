import type { Context } from '@sandlot/contracts';
import type { EventStore } from '@sandlot/event-store';
import type { Checkpoints, ProjectionRow } from './checkpoints.js';
import { Line } from './line.js';
import type { LogSource } from './log-source.js';
import type { LogVerification } from './log-verification.js';
import { otherSlot, type ReadModel, type Slot } from './read-model.js';
import { Halt, messageOf, Unavailable } from './stops.js';

export type Report = (level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>) => void;

export interface CrewOptions {
  readonly service: Context;
  readonly models: ReadonlyMap<string, ReadModel>;
  readonly checkpoints: Checkpoints;
  readonly source: LogSource;
  readonly store: Pick<EventStore, 'read'>;
  readonly verification?: LogVerification;
  readonly batch: number;
  readonly report: Report;
  readonly onError: (error: unknown, line: Line) => void;
}

/** What works on one read model: the line that keeps up the live slot and, while it is built anew, the one that fills the other. */
interface Post {
  live: Line;
  build?: Line;
  switching?: boolean;
}

const probeEveryMs = 2_000;
const lastStepMs = 5_000;

/** The lines of the active process. It does what the rows in the database ask for, each time that it is shown them. */
export class Crew {
  logPosition?: number;
  private ended = false;
  private probedAt = 0;
  private readonly posts = new Map<string, Post>();
  private readonly awaited = new Map<Line, { position: number; lagSeconds: number }>();

  constructor(private readonly options: CrewOptions) {}

  of(name: string): { live?: Line; build?: Line; lagSeconds?: number } {
    const post = this.posts.get(name);
    return post ? { ...post, lagSeconds: this.awaited.get(post.live)?.lagSeconds } : {};
  }

  get isBuilding(): boolean {
    return [...this.posts.values()].some(({ build }) => build !== undefined);
  }

  /** One look: makes the lines that are wanted, wakes those that an operator has released, shows what has been built. */
  async look(rows: Iterable<ProjectionRow>): Promise<void> {
    for (const row of rows) this.align(row);
    await this.probe();
    for (const [name, post] of this.posts) if (post.build && !post.switching) this.considerSwitch(name, post, post.build);
  }

  /** All lines look at their checkpoints again; also those that have stopped, if asked for. */
  restart({ stopped }: { stopped: boolean }): void {
    for (const line of this.lines()) if (stopped || !isStopped(line)) line.restart();
  }

  /** No line begins another batch from now on. Returns when the last batches are through. */
  async stop(): Promise<void> {
    this.ended = true;
    await Promise.all(this.lines().map((line) => line.stop()));
  }

  private lines(): Line[] {
    return [...this.posts.values()].flatMap(({ live, build }) => (build ? [live, build] : [live]));
  }

  private align(row: ProjectionRow): void {
    let post = this.posts.get(row.name);
    if (post?.switching) return;
    if (post && post.live.slot !== row.live) {
      // The row was read before a switch of ours, or a process that was asleep has switched: the next look will tell.
      for (const line of [post.live, post.build]) void line?.stop();
      return void this.posts.delete(row.name);
    }
    const spare = otherSlot(row.live);
    if (!post) {
      this.posts.set(row.name, (post = { live: this.line(row.name, row.live) }));
      if (!row.building && row.checkpoints[spare].position > 0) this.clearOut(row.name, spare); // an earlier process could not
    }
    if (row.building) post.build ??= this.line(row.name, spare);
    for (const line of [post.live, post.build])
      if (line && isStopped(line) && row.checkpoints[line.slot].status === 'running') line.restart();
  }

  private line(name: string, slot: Slot): Line {
    const { service, models, store, batch, checkpoints, source, verification, onError } = this.options;
    const damage = () => verification?.damage;
    return new Line({ model: models.get(name)!, slot, service, store, batch, checkpoints, source, damage, onError });
  }

  /** Shows the new tables when they are within a batch of the old ones. */
  private considerSwitch(name: string, post: Post, build: Line): void {
    // A halted line has read another log; its position means nothing in this one.
    const halted = post.live.state === 'halted';
    const target = halted ? (this.logPosition ?? Infinity) : post.live.position;
    if (build.state !== 'running' || build.position + this.options.batch < target) return;
    post.switching = true;
    void this.switch(name, post, build, halted ? target : undefined)
      .catch((error: unknown) => this.options.report('warn', 'projection not switched', { projection: name, error: messageOf(error) }))
      .finally(() => (post.switching = false));
  }

  /** The old tables stand still for the last step, so that the new ones never show less than they. */
  private async switch(name: string, post: Post, build: Line, target?: number): Promise<void> {
    const old = post.live;
    await old.stop();
    try {
      await this.catchUp(build, target ?? old.position);
      await this.options.checkpoints.switchTo(name, build.slot);
    } catch (error) {
      if (!this.ended) post.live = this.line(name, old.slot);
      throw error;
    }
    post.live = build;
    post.build = undefined;
    this.options.report('info', 'projection rebuild is shown', { projection: name, position: build.position });
    this.clearOut(name, old.slot);
  }

  private async catchUp(line: Line, position: number): Promise<void> {
    for (const deadline = performance.now() + lastStepMs; line.position < position;) {
      const left = deadline - performance.now();
      if (left <= 0 || line.state !== 'running' || this.ended) throw new Unavailable('rebuild', `still at ${line.position} of ${position}`);
      await line.changed(left);
    }
  }

  private clearOut(name: string, slot: Slot): void {
    const { models, checkpoints, report } = this.options;
    checkpoints
      .empty(models.get(name)!, slot, { force: true })
      .catch((error: unknown) => report('warn', 'projection slot not emptied', { projection: name, slot, error: messageOf(error) }));
  }

  /** How far the lines are behind; and whether the record that one waits for is there at all, which at the log's end no reader notices. */
  private async probe(): Promise<void> {
    if (performance.now() < this.probedAt + probeEveryMs && this.logPosition !== undefined) return;
    this.probedAt = performance.now();
    const info = await this.options.source.info().catch(() => undefined);
    if (!info) return;
    this.logPosition = info.lastPosition;
    for (const line of this.lines()) await this.probeLine(line, info.lastPosition).catch(() => undefined);
  }

  private async probeLine(line: Line, last: number): Promise<void> {
    const position = line.next;
    const before = this.awaited.get(line);
    if (position > last) return void this.awaited.delete(line);
    const storedAt = await this.options.source.storedAt(position);
    const lagSeconds = storedAt ? Math.max(0, Date.now() - storedAt.getTime()) / 1_000 : (before?.lagSeconds ?? 0);
    this.awaited.set(line, { position, lagSeconds });
    if (!storedAt && before?.position === position && line.next === position && line.state === 'running')
      line.restart(new Halt('GAP', `position ${position} is missing: the log ends at ${last}`, position));
  }
}

function isStopped({ state }: Line): boolean {
  return state === 'parked' || state === 'halted';
}
