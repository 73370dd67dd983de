import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { healthCodes, type ConsumerView, type PlatformHealth as Health } from '@sandlot/contracts';
import { listWithinMs, OperatedServices } from '../api/operated-services.js';
import { findings, type Finding } from './findings.js';
import { observeHealth, type LastLook } from './health-metrics.js';
import { Surroundings } from './surroundings.js';

const lookEveryMs = 30_000;
/** A handler may take half a minute for one event, and be given it again. */
const stuckAfterMs = 120_000;

interface Standing {
  readonly position: number;
  readonly since: number;
}

/**
 * Looks at every service when it is asked and twice a minute, so that it can say since when something is wrong. It forgets that with its
 * process, and each gateway has its own memory: `since` is never too early.
 */
@Injectable()
export class PlatformHealth implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly firstSeen = new Map<string, string>();
  private readonly standing = new Map<string, Standing>();
  private timer?: NodeJS.Timeout;
  private last: LastLook | undefined;
  private stopObserving?: () => void;

  constructor(
    private readonly services: OperatedServices,
    private readonly surroundings: Surroundings,
  ) {}

  onApplicationBootstrap(): void {
    const look = () => void this.look().catch(() => undefined); // what fails is told to who asks
    this.timer = setInterval(look, lookEveryMs).unref();
    this.stopObserving = observeHealth(() => this.last);
    look();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    this.stopObserving?.();
  }

  async look(now = new Date()): Promise<Health> {
    const [projections, consumers, seen] = await Promise.all([
      this.services.everywhere((rpc, operations) => rpc.call(operations.listProjections, {}, { withinMs: listWithinMs })),
      this.services.everywhere((rpc, operations) => rpc.call(operations.listConsumers, {}, { withinMs: listWithinMs })),
      this.surroundings.look(),
    ]);
    const found = findings({
      projections: projections.items,
      consumers: consumers.items,
      unanswered: [...projections.unanswered, ...consumers.unanswered],
      stuck: this.stuck(consumers.items, now),
      ...seen,
      now,
    });
    this.last = { ...seen, found, consumers: consumers.items };
    const items = found.map((finding) => ({ ...finding, ...about(finding), since: this.since(finding, now) }));
    this.forgetAllBut(found);
    items.sort((one, other) => one.severity.localeCompare(other.severity) || one.code.localeCompare(other.code));
    return { status: items[0]?.severity ?? 'ok', items, checkedAt: now.toISOString() };
  }

  private stuck(consumers: readonly ConsumerView[], now: Date): Set<string> {
    const stuck = new Set<string>();
    for (const { name, position, pending, unacknowledged } of consumers) {
      const before = this.standing.get(name);
      const moves = before?.position !== position || pending + unacknowledged === 0;
      if (moves) this.standing.set(name, { position, since: now.getTime() });
      else if (now.getTime() - before.since >= stuckAfterMs) stuck.add(name);
    }
    return stuck;
  }

  private since(finding: Finding, now: Date): string {
    const seen = this.firstSeen.get(keyOf(finding));
    if (seen === undefined) this.firstSeen.set(keyOf(finding), now.toISOString());
    return seen ?? now.toISOString();
  }

  private forgetAllBut(found: readonly Finding[]): void {
    const present = new Set(found.map(keyOf));
    for (const key of this.firstSeen.keys()) if (!present.has(key)) this.firstSeen.delete(key);
  }
}

const keyOf = ({ code, subject }: Finding): string => `${code} ${subject}`;

function about({ code }: Finding) {
  const { severity, hint } = healthCodes[code];
  return { severity, hint, docsUrl: `/docs/health/${code}` };
}
