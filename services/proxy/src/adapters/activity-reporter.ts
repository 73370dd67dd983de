import type { NatsConnection } from '@nats-io/transport-node';
import { ACTIVITY_SUBJECT, activityEveryMs, type ActivityReport } from '@sandlot/contracts';
import { randomUUID } from 'node:crypto';
import { Activity } from '../activity.js';

/** Ids in one message, which must stay well below 1 MiB. */
const MAX_IDS = 10_000;

/** Says now and then which sandboxes are in use, all of them at once; that there are none, too. */
export class ActivityReporter {
  readonly activity = new Activity();
  private readonly proxy = randomUUID();
  private readonly timer: NodeJS.Timeout;

  /** @param intervalMs default `activityEveryMs` */
  constructor(
    private readonly connection: NatsConnection,
    intervalMs = activityEveryMs,
  ) {
    this.timer = setInterval(() => this.report(), intervalMs).unref();
  }

  close(): void {
    clearInterval(this.timer);
    this.report(true);
  }

  private report(leaving = false): void {
    if (this.connection.isClosed()) return;
    const used = this.activity.take() as ActivityReport['used'];
    do {
      const report: ActivityReport = { proxy: this.proxy, used: used.splice(0, MAX_IDS), ...(leaving && { leaving }) };
      this.connection.publish(ACTIVITY_SUBJECT, JSON.stringify(report));
    } while (used.length > 0);
  }
}
