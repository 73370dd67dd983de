import type { NatsConnection } from '@nats-io/transport-node';
import type { Pool } from 'pg';
import { DomainError } from '@sandlot/kernel';
import { DOMAIN_STREAM, type Context } from '@sandlot/contracts';
import type { EventStore, Moment } from '@sandlot/event-store';
import { modelAt, type ModelQuery } from './as-of.js';
import { Checkpoints, type ProjectionRow } from './checkpoints.js';
import { Crew, type Report } from './crew.js';
import { Lease } from './lease.js';
import type { Line } from './line.js';
import { LogSource } from './log-source.js';
import type { LogVerification } from './log-verification.js';
import { ProjectionMetrics } from './metrics.js';
import { remedies, type ProjectionStatus, type ReadModel, type Stop } from './read-model.js';
import { statusFrom } from './status.js';
import { messageOf, Unavailable } from './stops.js';

export interface ProjectionRunnerOptions {
  readonly service: Context;
  readonly connection: NatsConnection;
  /**
   * As the service's writer (`writerPool`). Needs one connection for the lock, two per read model, and one for each rebuild and each query
   * of the past that runs at the same time.
   */
  readonly pool: Pool;
  readonly store: Pick<EventStore, 'read'>;
  readonly models: readonly ReadModel[];
  /** One for the process. */
  readonly verification?: LogVerification;
  /** Default DOMAIN. */
  readonly stream?: string;
  /** Events in a transaction, at most, which is when much is to be caught up with. Default 5,000. */
  readonly batch?: number;
  /** Takes state changes and errors: a constant message and fields, none of them secret. */
  readonly log?: Report;
}

const lookEveryMs = 500;
/** So that what was built is shown as soon as it has caught up. */
const lookWhileBuildingMs = 100;
const pollEveryMs = 25;

/**
 * Keeps a service's read models up with the log. Of all processes of the service one is active, the others stand by; they too answer
 * `status` and `reached`, and take `rebuild`, `retry` and `skip`: these change rows, at which the active process looks twice a second.
 *
 * Each read model has a line of its own through the log, so that what is wrong with one holds up no other.
 */
export class ProjectionRunner {
  private readonly checkpoints: Checkpoints;
  private readonly source: LogSource;
  private readonly models: ReadonlyMap<string, ReadModel>;
  private readonly names: readonly string[];
  private rows: ReadonlyMap<string, ProjectionRow> = new Map();
  private active?: { readonly lease: Lease; readonly crew: Crew };
  /** Why the database or the log cannot be asked. */
  private databaseAway?: Stop;
  private logAway?: Stop;
  private ended = true;
  private main?: Promise<void>;
  private wake = () => {};
  private undo: (() => void)[] = [];
  private measures?: ProjectionMetrics;

  constructor(private readonly options: ProjectionRunnerOptions) {
    this.source = new LogSource(options.connection, options.stream ?? DOMAIN_STREAM);
    this.checkpoints = new Checkpoints(options.pool, options.service, this.source.stream);
    this.models = new Map(options.models.map((model) => [model.name, model]));
    this.names = [...this.models.keys()];
  }

  /** Begins to stand by, and to apply as soon as no other process does. Returns at once, whatever is away. */
  start(): void {
    if (!this.ended) return;
    this.ended = false;
    const { verification } = this.options;
    const measures = new ProjectionMetrics(this.options.service, () => this.status());
    this.measures = measures;
    this.undo = [() => measures.close()];
    if (verification) this.undo.push(verification.onChange(() => this.active?.crew.restart({ stopped: true })));
    verification?.start();
    void this.watchConnection();
    this.main = this.run();
  }

  /** Ends after the batches that are being applied, and gives the lock to another process. */
  async stop(): Promise<void> {
    this.ended = true;
    this.wake();
    await this.main;
    for (const undo of this.undo.splice(0)) undo();
  }

  status(): ProjectionStatus[] {
    return this.names.map((name) => this.statusOf(name));
  }

  /**
   * Returns when the read model shows the log up to that position. Throws DomainError POSITION_NOT_REACHED after `withinMs`, or at once when
   * it is parked or halted before it; UNAVAILABLE when PostgreSQL is away.
   */
  async reached(name: string, position: number, { withinMs }: { withinMs: number }): Promise<void> {
    this.known(name);
    for (const deadline = performance.now() + withinMs; ;) {
      const live = this.active?.crew.of(name).live;
      const reached = live?.position || (await this.checkpoints.livePosition(name).catch(refuse));
      if (reached >= position) return;
      const { state } = this.statusOf(name);
      const left = deadline - performance.now();
      if (left <= 0 || state === 'parked' || state === 'halted') {
        const details = { projection: name, position, reached, state };
        throw new DomainError('POSITION_NOT_REACHED', `${name} shows the log up to ${reached}, not yet ${position}`, details);
      }
      await (live ? live.changed(left) : new Promise((resolve) => setTimeout(resolve, Math.min(pollEveryMs, left))));
    }
  }

  /** Builds the read model anew beside the live one and shows it when it has caught up. Begins anew when it is under way already. */
  async rebuild(name: string, reason: string): Promise<void> {
    this.known(name);
    await this.checkpoints.beginBuild(name, reason).catch(refuse);
    this.report('info', 'projection rebuild begins', { projection: name, reason });
    this.active?.crew.of(name).build?.restart();
    this.wake();
  }

  /** Lets a parked or halted read model try again. What stopped it may stop it again. */
  async retry(name: string): Promise<void> {
    this.known(name);
    await this.checkpoints.clear(name).catch(refuse);
    if (this.options.verification?.damage) void this.options.verification.run();
    this.report('info', 'projection retried', { projection: name });
    this.wake();
  }

  /**
   * Leaves out the position that has stopped the read model, now and in each rebuild, and goes on behind it. The caller has appended
   * `projection.position-skipped.v1`, from which it is known when PostgreSQL is lost. Again for the same position is no error; for one that
   * does not stop it, throws DomainError CONFLICT.
   */
  async skip(name: string, position: number, reason: string): Promise<void> {
    this.known(name);
    const row = (await this.checkpoints.load([name]).catch(refuse)).get(name);
    if (row?.skipped.includes(position)) return;
    const stoppedAt = row ? Object.values(row.checkpoints).flatMap(({ stopped }) => stopped?.at ?? []) : [];
    if (!stoppedAt.includes(position))
      throw new DomainError('CONFLICT', `${name} is not stopped at position ${position}`, { projection: name, position, stoppedAt });
    await this.checkpoints.skip(name, position).catch(refuse);
    this.report('warn', 'projection position skipped', { projection: name, position, reason });
    await this.retry(name);
  }

  /**
   * Asks a read model as it was at a past position or time, folded from the log into temporary tables for this query alone.
   * Throws DomainError VALIDATION_FAILED when that takes more than `limit` events (default 200,000), POSITION_NOT_REACHED for a position
   * that the log does not have yet.
   */
  async withModelAt<Result>(name: string, at: Moment, query: ModelQuery<Result>, { limit = 200_000 } = {}): Promise<Result> {
    const model = this.known(name);
    const { source, options } = this;
    const skipped = new Set(this.statusOf(name).skipped);
    return modelAt({ model, at, query, limit, skipped, source, pool: options.pool, service: options.service }).catch(refuse);
  }

  private async run(): Promise<void> {
    while (!this.ended) {
      try {
        await this.look();
        this.databaseAway = undefined;
      } catch (error) {
        this.databaseAway = { code: 'UNAVAILABLE', reason: messageOf(error), remedy: remedies.UNAVAILABLE };
      }
      if (this.ended) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.active?.crew.isBuilding ? lookWhileBuildingMs : lookEveryMs);
        this.wake = () => (clearTimeout(timer), resolve());
      });
    }
    const { active } = this;
    this.active = undefined;
    await active?.crew.stop();
    active?.lease.release();
  }

  private async look(): Promise<void> {
    this.active ??= await this.takeLead();
    if (this.active && !this.names.every((name) => this.rows.has(name))) await this.checkpoints.ensure(this.options.models);
    this.rows = await this.checkpoints.load(this.names);
    await this.active?.crew.look(this.rows.values());
  }

  private async takeLead(): Promise<typeof this.active> {
    const lease = await Lease.tryTake(this.options.pool, this.options.service, () => this.dropLead());
    if (!lease) return undefined;
    const { options, models, checkpoints, source } = this;
    const crew = new Crew({
      ...options,
      models,
      checkpoints,
      source,
      batch: options.batch ?? 5_000,
      report: (level, message, fields) => this.report(level, message, fields),
      onError: (error, line) => this.onError(error, line),
    });
    return { lease, crew };
  }

  private dropLead(): void {
    void this.active?.crew.stop();
    this.active = undefined;
    this.report('warn', 'projection lock lost', {});
  }

  /** The log may be another one after the connection was lost. What an operator must release stays as it is. */
  private async watchConnection(): Promise<void> {
    const status = this.options.connection.status();
    this.undo.push(() => void status[Symbol.asyncIterator]().return?.());
    for await (const { type } of status) {
      if (this.ended) return;
      if (type === 'disconnect') this.logAway = { code: 'UNAVAILABLE', reason: 'NATS: disconnected', remedy: remedies.UNAVAILABLE };
      if (type !== 'reconnect') continue;
      this.logAway = undefined;
      this.active?.crew.restart({ stopped: false });
    }
  }

  private onError(error: unknown, line: Line): void {
    this.measures?.failed(line.model.name);
    const fields = { projection: line.model.name, slot: line.slot, position: line.position, error: messageOf(error) };
    if (error instanceof Unavailable) this.report('warn', 'projection waits', fields);
    else this.report('error', 'projection stopped', fields);
  }

  private statusOf(name: string): ProjectionStatus {
    const { options, rows, active } = this;
    const away = this.databaseAway ?? this.logAway;
    const logPosition = active?.crew.logPosition;
    return statusFrom({ service: options.service, name, row: rows.get(name), away, logPosition, ...active?.crew.of(name) });
  }

  private known(name: string): ReadModel {
    const model = this.models.get(name);
    if (!model) throw new DomainError('PROJECTION_NOT_FOUND', `${this.options.service} has no projection ${name}`);
    return model;
  }

  private report(level: Parameters<Report>[0], message: string, fields: Record<string, unknown>): void {
    this.options.log?.(level, message, { service: this.options.service, ...fields });
  }
}

/** To the caller, a server that is away is UNAVAILABLE. */
function refuse(error: unknown): never {
  if (error instanceof Unavailable) throw new DomainError('UNAVAILABLE', 'the read models are not available', {}, { cause: error });
  throw error;
}
