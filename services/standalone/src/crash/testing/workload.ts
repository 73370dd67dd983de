import { waitFor } from '@sandlot/testing';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, type Reply } from '../../testing/http-client.js';
import type { Operation, Outcome } from './operation.js';
import { chooseOperation } from './choose-operation.js';
import { People } from './people.js';
import type { Random } from './random.js';

export interface WorkloadOptions {
  readonly random: Random;
  readonly url: string;
  readonly adminKey: string;
  /** How many operations are begun at the same time. Default 6. */
  readonly clients?: number;
  /** The longest pause of a client between two operations, in ms. Default 20. */
  readonly pauseMs?: number;
  /** How many users there are at most. Default 8. */
  readonly users?: number;
}

/** A key that was made a moment ago may not have reached the proxy yet; when it is refused for longer, it is a finding. */
const strangerWithinMs = 30_000;

/**
 * Clients that do everything people can do, all at once, and write down what became of it. Whatever has no clear outcome is asked again
 * with its Idempotency-Key until it has one.
 */
export class Workload {
  readonly operations: Operation[] = [];
  readonly people: People;
  private readonly url: string;
  private readonly unresolved = new Set<Promise<void>>();
  private running: Promise<unknown> = Promise.resolve();
  private stopping = false;
  private givenUp = false;

  constructor(private readonly options: WorkloadOptions) {
    this.url = options.url;
    this.people = new People(options.adminKey, options.users ?? 8);
  }

  start(): void {
    this.stopping = false;
    const { clients = 6, random } = this.options;
    this.running = Promise.all(Array.from({ length: clients }, () => this.client(random.fork())));
  }

  /** Begins nothing new, and returns when everything has an outcome. Throws when something has none for so long. */
  async finish(withinMs = 60_000): Promise<void> {
    this.stopping = true;
    await this.running;
    const late = AbortSignal.timeout(withinMs);
    const all = Promise.all(this.unresolved);
    await Promise.race([all, new Promise((resolve) => late.addEventListener('abort', resolve))]);
    this.givenUp = true;
    await all;
    const open = this.operations.filter(({ outcome }) => !outcome);
    if (open.length > 0) throw new Error(`without an outcome ${withinMs} ms after the last fault:\n${open.map(describe).join('\n')}`);
  }

  /** Waits until something that is begun from now on is done: the platform takes commands. */
  async progress(withinMs: number): Promise<void> {
    const before = this.operations.length;
    const some = () => this.operations.slice(before).some(({ outcome }) => outcome?.is === 'done');
    await waitFor(some, { within: withinMs, describe: 'a command that is asked from now on to be done' });
  }

  /** Stops without waiting for anybody. */
  abandon(): void {
    this.stopping = true;
    this.givenUp = true;
  }

  count(is: Outcome['is']): number {
    return this.operations.filter(({ outcome }) => outcome?.is === is).length;
  }

  private async client(random: Random): Promise<void> {
    while (!this.stopping) {
      const operation = chooseOperation(random, this.people);
      this.operations.push(operation);
      if (!(await this.attempt(operation))) this.resolveLater(operation);
      await pause(random.between(0, this.options.pauseMs ?? 20));
    }
  }

  private resolveLater(operation: Operation): void {
    const resolving: Promise<void> = this.resolve(operation).finally(() => this.unresolved.delete(resolving));
    this.unresolved.add(resolving);
  }

  private async resolve(operation: Operation): Promise<void> {
    do await pause(300);
    while (!(await this.attempt(operation)) && !this.givenUp);
  }

  /** Whether its outcome is known now. While nothing listens at all, it was not even asked. */
  private async attempt(operation: Operation): Promise<boolean> {
    const { method, path, body, credential, idempotencyKey, trace, attempts } = operation;
    const headers = { 'idempotency-key': idempotencyKey, traceparent: `00-${trace}-${trace.slice(0, 16)}-01` };
    for (;;) {
      try {
        const reply = await new Client(this.url, credential).send(method, path, { body, headers, withinMs: 10_000 });
        const outcome = this.outcomeOf(operation, reply);
        attempts.push(inWords(reply));
        if (!outcome) return false;
        operation.outcome = outcome;
        this.people.learn(operation);
        return true;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code !== 'ECONNREFUSED') {
          attempts.push(code ?? message);
          return false;
        }
        if (this.givenUp) return false;
        await pause(50);
      }
    }
  }

  private outcomeOf(operation: Operation, reply: Reply): Outcome | undefined {
    if (reply.status < 300) {
      const position = reply.headers['sandlot-position'];
      const body = reply.bytes.length > 0 ? reply.json() : {};
      return { is: 'done', status: reply.status, position: position === undefined ? undefined : Number(position), body };
    }
    const code = codeOf(reply);
    if (code === 'CONFLICT' && operation.kind === 'create-key' && reply.json()['keyId']) return { is: 'done-unseen' };
    if (reply.status >= 500 || ['CONFLICT', 'REQUEST_IN_PROGRESS', 'RATE_LIMITED'].includes(code)) return undefined;
    if (code === 'UNAUTHENTICATED' && this.people.letsIn(operation.credential)) {
      this.people.refusedSince.set(operation.credential, this.people.refusedSince.get(operation.credential) ?? Date.now());
      if (Date.now() - this.people.refusedSince.get(operation.credential)! < strangerWithinMs) return undefined;
    }
    return { is: 'refused', code };
  }
}

function inWords(reply: Reply): string {
  const { status, headers } = reply;
  if (status < 400) return String(status);
  const mute = (status === 503 || status === 429) && !(Number(headers['retry-after']) > 0);
  const detail = status < 500 ? '' : ` (${String(problemOf(reply)['detail'])})`;
  return `${status} ${codeOf(reply)}${detail}${mute ? ' without Retry-After' : ''}`;
}

const codeOf = (reply: Reply): string => String(problemOf(reply)['code']);

function problemOf(reply: Reply): Record<string, unknown> {
  try {
    return reply.json();
  } catch {
    return { code: reply.text.slice(0, 100) };
  }
}

export function describe({ kind, method, path, body, attempts, trace, outcome }: Operation): string {
  const last = attempts.slice(-5).join(', ');
  return `${kind} ${method} ${path} ${JSON.stringify(body ?? null)} (trace ${trace}): ${JSON.stringify(outcome ?? null)} after ${attempts.length} attempts: … ${last}`;
}
