import { UpstreamFailure } from './dial.js';

export interface WaitingLineOptions {
  /** Requests that may wait for a connection to one address. Default 1024; the next gets `busy` at once. */
  maxWaiting?: number;
  /** Milliseconds that a request waits for a connection at most. Default 5000. */
  waitTimeoutMs?: number;
}

export interface Waiter<Given> {
  give(given: Given): void;
  fail(failure: UpstreamFailure): void;
}

/** Requests that wait for a place at one address, in the order in which they came; bounded in number and time. */
export class WaitingLine<Given> {
  private readonly waiters: Waiter<Given>[] = [];

  constructor(
    private readonly address: string,
    private readonly options: Required<WaitingLineOptions>,
  ) {}

  get length(): number {
    return this.waiters.length;
  }

  /** Who has waited longest, no longer in the line. */
  next(): Waiter<Given> | undefined {
    return this.waiters.shift();
  }

  /** @throws UpstreamFailure busy */
  join(): Promise<Given> {
    const { address, waiters } = this;
    const { maxWaiting, waitTimeoutMs } = this.options;
    if (waiters.length >= maxWaiting) throw new UpstreamFailure('busy', `too many requests wait for ${address}`);
    return new Promise((done, failed) => {
      const waiter: Waiter<Given> = {
        give: (given) => {
          clearTimeout(timer);
          done(given);
        },
        fail: (failure) => {
          clearTimeout(timer);
          failed(failure);
        },
      };
      const timer = setTimeout(() => {
        waiters.splice(waiters.indexOf(waiter), 1);
        failed(new UpstreamFailure('busy', `no connection to ${address} came free in time`));
      }, waitTimeoutMs);
      waiters.push(waiter);
    });
  }
}
