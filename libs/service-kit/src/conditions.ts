import { hostname } from 'node:os';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { conditionsSubject, ServiceConditions, type Condition } from '@sandlot/contracts';
import { logger } from './logging.js';

/** What is wrong at the moment, if anything is. Throws or takes long: it counts as saying nothing. */
export type ConditionCheck = () => Promise<readonly Condition[]> | readonly Condition[];

/** How long a check may take, in ms. */
const checkWithinMs = 500;
const instance = `${hostname()}/${process.pid}`;

/**
 * What a process of a service knows to be wrong, for the health of the platform. Unlike readiness it takes nobody out of service: a certificate that
 * expires next week is no reason to stop serving.
 */
export class Conditions {
  private readonly checks: ConditionCheck[] = [];

  add(check: ConditionCheck): void {
    this.checks.push(check);
  }

  async current(): Promise<Condition[]> {
    return (await Promise.all(this.checks.map(outcome))).flat();
  }
}

async function outcome(check: ConditionCheck): Promise<readonly Condition[]> {
  const late = Promise.withResolvers<readonly Condition[]>();
  const timer = setTimeout(() => late.resolve([]), checkWithinMs);
  try {
    return await Promise.race([check(), late.promise]);
  } catch (err) {
    logger.warn({ err }, 'a check of what is wrong has failed');
    return [];
  } finally {
    clearTimeout(timer);
  }
}

/** Every process answers for itself, in no queue group. */
export function answerConditions(connection: NatsConnection, service: string, conditions: Conditions): Subscription {
  return connection.subscribe(conditionsSubject(service), {
    callback: (error, message) => {
      if (error) return;
      const answer = async () => {
        const found: ServiceConditions = { service, instance, at: new Date().toISOString(), conditions: await conditions.current() };
        message.respond(JSON.stringify({ ...found, at: new Date().toISOString() }));
      };
      answer().catch((err: unknown) => logger.warn({ err }, 'what is wrong could not be told'));
    },
  });
}

export interface HeardConditions extends ServiceConditions {
  /** When its answer came, by the clock of this process. */
  readonly heardAt: Date;
}

/** Asks every process of a service. Nobody knows how many there are: waits until none has answered for a while, at most `withinMs`. */
export async function askConditions(connection: NatsConnection, service: string, withinMs = 2_000): Promise<HeardConditions[]> {
  const heard: HeardConditions[] = [];
  const options = { strategy: 'stall', stall: checkWithinMs + 100, maxWait: withinMs } as const;
  try {
    for await (const message of await connection.requestMany(conditionsSubject(service), '', options)) {
      const found = message.data.length > 0 ? ServiceConditions.safeParse(message.json()) : undefined;
      if (found?.success) heard.push({ ...found.data, heardAt: new Date() });
    }
  } catch {
    return heard; // who does not answer is found by whoever asks for its read models
  }
  return heard;
}
