import type { NatsConnection } from '@nats-io/transport-node';
import { LIMITS_SUBJECT } from '@sandlot/contracts';
import { watchLink, type NatsLink } from '@sandlot/service-kit';
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Limits } from '../limits.js';

const Passed = z.object({ from: z.string(), passed: z.array(z.tuple([z.string(), z.int().min(1)])) });

const EVERY_MS = 200;
/** In one message: far below what NATS takes. */
const MAX_BUCKETS = 5000;

/**
 * Tells the other proxies what has passed here, a few times a second, and takes away here what they tell. Nothing is stored, asked or waited
 * for: while NATS is away each proxy limits by what it sees itself, and what passed meanwhile is not told afterwards.
 */
export class LimitShares {
  private readonly instance = randomUUID();
  private readonly link: NatsLink;
  private readonly timer: NodeJS.Timeout;
  private readonly stopListening: () => void;

  constructor(
    private readonly connection: NatsConnection,
    private readonly limits: Pick<Limits, 'untold' | 'spend'>,
    { everyMs = EVERY_MS } = {},
  ) {
    this.link = watchLink(connection);
    this.timer = setInterval(() => this.tell(), everyMs).unref();
    const subscription = connection.subscribe(LIMITS_SUBJECT, { callback: (error, { data }) => void (error ?? this.hear(data)) });
    this.stopListening = () => subscription.unsubscribe();
  }

  close(): void {
    clearInterval(this.timer);
    if (!this.connection.isClosed()) this.stopListening();
  }

  private tell(): void {
    const passed = this.limits.untold();
    if (!this.link.isUp) return;
    for (let at = 0; at < passed.length; at += MAX_BUCKETS)
      this.connection.publish(LIMITS_SUBJECT, JSON.stringify({ from: this.instance, passed: passed.slice(at, at + MAX_BUCKETS) }));
  }

  private hear(data: Uint8Array): void {
    const message = Passed.safeParse(parsed(data));
    if (!message.success || message.data.from === this.instance) return;
    for (const [id, count] of message.data.passed) this.limits.spend(id, count);
  }
}

function parsed(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'));
  } catch {
    return undefined;
  }
}
