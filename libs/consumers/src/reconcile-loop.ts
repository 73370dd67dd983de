import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { context, ROOT_CONTEXT, type Context } from '@opentelemetry/api';
import { DomainError } from '@sandlot/kernel';
import type { ReconcileReport } from '@sandlot/contracts';
import type { z } from 'zod';
import { chainOf } from './error-chain.js';
import { backoff } from './failure-policy.js';
import { ReconcileMetrics } from './metrics.js';
import { withinTrace } from './trace.js';

type Report = z.output<typeof ReconcileReport>;

/** What one run says of itself. */
export interface Reconciled {
  /** Look again after this long, in ms, when nothing wakes the id sooner. */
  readonly againAfterMs?: number;
  /** What the run changed, for the report of a full pass: `started the runtime`. */
  readonly changed?: string;
}

export interface ReconcileLoopOptions {
  /** What is reconciled, for metrics and logs: `sandbox`. */
  name: string;
  /** Brings one thing to what is wanted. Gets only its id and reads everything else; must bear being run again at any time. */
  reconcile: (id: string, signal: AbortSignal) => Promise<void | Reconciled>;
  /** How many ids at once. */
  concurrency: number;
  /** Pause between two full passes, in ms. */
  everyMs: number;
  /** The ids of a full pass. One may come twice. */
  all: () => AsyncIterable<string>;
  /** After how many ms an id is tried again that has failed `attempt` times in a row (from 1). */
  onError: (error: unknown, id: string, attempt: number) => number;
}

interface Entry {
  running: boolean;
  /** How often in a row it has failed. */
  failures: number;
  /** Of the run that is to begin, shared by all who have asked for it. */
  next?: PromiseWithResolvers<Reconciled>;
  /** The trace of whoever asked for it first. */
  trace: Context;
  timer?: NodeJS.Timeout;
}

const longestTimer = 2 ** 31 - 1;
const sameWorkMs = 5_000;
const reportedAtMost = 1_000;

/**
 * A level-based work queue: every wake-up of an id, from an event, a watch, a timer, boot or a full pass, leads to the same run.
 *
 * In this process never two runs of one id at once; wake-ups while an id waits become one run, and those during a run one run after it.
 * Other processes may run the same id at the same time.
 *
 * A failed run is tried again by the loop after `onError` milliseconds, or at the next wake-up if that is sooner, which takes the place of
 * the timer. So somebody who waits for `wake` and tries again on his own, like a consumer whose event is to be acknowledged, makes for one
 * more run each time he does, never for more timers.
 */
export class ReconcileLoop {
  private readonly entries = new Map<string, Entry>();
  private readonly ready = new Set<string>();
  private readonly runs = new Set<Promise<void>>();
  /** Of the full passes under way. */
  private readonly reports = new Set<Report>();
  private readonly stopping = new AbortController();
  private readonly interrupting = new AbortController();
  private readonly logger: Logger;
  private readonly metrics: ReconcileMetrics;
  private started = false;
  private active = 0;

  constructor(private readonly options: ReconcileLoopOptions) {
    if (!(options.concurrency >= 1)) throw new RangeError(`${options.name}: concurrency is at least 1`);
    this.logger = new Logger(`reconcile ${options.name}`);
    this.metrics = new ReconcileMetrics(options.name, () => this.ready.size);
  }

  /** Begins to work, with a full pass first. What was woken before is done now. */
  start(): void {
    if (this.started) return;
    this.started = true;
    this.advance();
    void this.passes();
  }

  /**
   * Resolves when a run that began after this call has succeeded. Rejects with the error when that run fails; whoever does not depend on
   * this one run need not care, for the loop tries again. Rejects with DomainError UNAVAILABLE when the loop stops before the run.
   */
  wake(id: string): Promise<void> {
    const done = this.request(id).then(() => undefined);
    done.catch(() => undefined); // not everybody waits
    return done;
  }

  /**
   * One full pass, at most `concurrency` of its ids at a time, so that other wake-ups need not queue behind it. Its report has what any run
   * changed meanwhile, for an event may be quicker to wake an id than the pass. Lists at most 1,000 of each.
   */
  async wakeAll(): Promise<Report> {
    const report: Report = { reconciled: 0, changed: [], failed: [] };
    this.reports.add(report);
    try {
      await this.pass(report);
    } finally {
      this.reports.delete(report);
    }
    return report;
  }

  private async pass(report: Report): Promise<void> {
    const pending = new Set<Promise<void>>();
    for await (const id of this.options.all()) {
      while (pending.size >= this.options.concurrency) await Promise.race(pending);
      const done: Promise<void> = this.request(id)
        .then(
          () => {
            report.reconciled += 1;
          },
          (error: unknown) => {
            if (this.stopping.signal.aborted) return;
            if (report.failed.length < reportedAtMost) report.failed.push({ id, error: chainOf(error) });
          },
        )
        .finally(() => pending.delete(done));
      pending.add(done);
      if (this.stopping.signal.aborted) break;
    }
    await Promise.all(pending);
    if (this.stopping.signal.aborted) throw stopped(this.options.name);
  }

  private changed(id: string, what: string): void {
    for (const { changed } of this.reports) if (changed.length < reportedAtMost) changed.push({ id, what });
  }

  /**
   * No run begins any more. Waits `graceMs` for those at work, then aborts their signal and waits a second longer. Returns also when some
   * still have not ended.
   */
  async stop({ graceMs }: { graceMs: number }): Promise<void> {
    this.stopping.abort();
    this.ready.clear();
    for (const entry of this.entries.values()) {
      clearTimeout(entry.timer);
      entry.next?.reject(stopped(this.options.name));
      entry.next = undefined;
    }
    await this.settled(graceMs);
    this.interrupting.abort();
    await this.settled(1_000);
    this.metrics.close();
  }

  private request(id: string): Promise<Reconciled> {
    if (this.stopping.signal.aborted) return Promise.reject(stopped(this.options.name));
    const entry = this.entries.get(id) ?? { running: false, failures: 0, trace: ROOT_CONTEXT };
    this.entries.set(id, entry);
    clearTimeout(entry.timer);
    entry.timer = undefined;
    if (entry.next) return entry.next.promise;
    entry.trace = context.active();
    const next = (entry.next = Promise.withResolvers<Reconciled>());
    next.promise.catch(() => undefined); // a retry of the loop's own has nobody who waits
    if (!entry.running) this.ready.add(id);
    this.advance();
    return next.promise;
  }

  private advance(): void {
    if (!this.started) return;
    for (const id of this.ready) {
      if (this.active >= this.options.concurrency) return;
      this.ready.delete(id);
      this.active += 1;
      const run: Promise<void> = this.run(id, this.entries.get(id)!).finally(() => {
        this.runs.delete(run);
        this.active -= 1;
        this.advance();
      });
      this.runs.add(run);
    }
  }

  /** Never rejects. */
  private async run(id: string, entry: Entry): Promise<void> {
    const { resolve, reject } = entry.next!;
    const { trace } = entry;
    entry.next = undefined;
    entry.running = true;
    const startedAt = performance.now();
    try {
      const reconcile = () => this.options.reconcile(id, this.interrupting.signal);
      const result = (await withinTrace(`reconcile ${this.options.name}`, trace, reconcile)) ?? {};
      this.metrics.ran('succeeded', startedAt);
      entry.failures = 0;
      if (result.changed) this.changed(id, result.changed);
      resolve(result);
      if (result.againAfterMs !== undefined) this.later(id, entry, result.againAfterMs);
    } catch (error) {
      this.metrics.ran('failed', startedAt);
      entry.failures += 1;
      reject(error);
      this.later(id, entry, this.delayAfter(error, id, entry.failures));
    }
    entry.running = false;
    if (entry.next) this.ready.add(id);
    else if (!entry.timer) this.entries.delete(id);
  }

  private delayAfter(error: unknown, id: string, attempt: number): number {
    if (!this.stopping.signal.aborted) this.logger.warn('a run failed and will be tried again', { id, attempt, error: chainOf(error) });
    try {
      return this.options.onError(error, id, attempt);
    } catch (broken) {
      this.logger.error('onError itself failed', { id, error: chainOf(broken) });
      return backoff(attempt);
    }
  }

  private later(id: string, entry: Entry, afterMs: number): void {
    if (entry.next || this.stopping.signal.aborted) return;
    // What is looked at again at once is part of the same work; a look in an hour is not.
    const trace = afterMs <= sameWorkMs ? context.active() : ROOT_CONTEXT;
    entry.timer = setTimeout(() => void context.with(trace, () => this.request(id)), Math.min(Math.max(0, afterMs), longestTimer)).unref();
  }

  private async passes(): Promise<void> {
    for (let failures = 0; !this.stopping.signal.aborted;) {
      try {
        await this.wakeAll();
        failures = 0;
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        failures += 1;
        this.logger.warn('a full pass could not list all ids and is tried again', { failures, error: chainOf(error) });
      }
      const wait = failures > 0 ? Math.min(backoff(failures), this.options.everyMs) : this.options.everyMs;
      await pause(wait, undefined, { signal: this.stopping.signal, ref: false }).catch(() => undefined);
    }
  }

  private async settled(withinMs: number): Promise<void> {
    const timer = new AbortController();
    await Promise.race([Promise.all(this.runs), pause(withinMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
    timer.abort();
  }
}

function stopped(name: string): DomainError {
  return new DomainError('UNAVAILABLE', `the reconciler ${name} is stopping`);
}
