import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { ACTIVITY_SUBJECT, ActivityReport } from '@sandlot/contracts';
import type { Activity } from '../reconcile/activity.js';

/** What the proxies say of sandboxes' use. Every provisioner hears every proxy: each of them has timers of its own. */
export class ActivitySubscription {
  private readonly subscription: Subscription;

  constructor(connection: NatsConnection, activity: Activity, log: { warn(fields: object, message: string): void }) {
    this.subscription = connection.subscribe(ACTIVITY_SUBJECT, {
      callback: (error, message) => {
        try {
          if (error) throw error;
          activity.heard(ActivityReport.parse(message.json()));
        } catch (err) {
          log.warn({ err }, 'a report of activity could not be read');
        }
      },
    });
  }

  close(): void {
    this.subscription.unsubscribe();
  }
}
