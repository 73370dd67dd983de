/** Throws when the thing is not ready; the message says why. */
export type ReadinessCheck = () => Promise<void> | void;

export interface ReadinessReport {
  readonly ready: boolean;
  /** `[+]nats ok` or `[-]nats not connected`, one line each. */
  readonly lines: readonly string[];
}

/** How long a check may take, in ms, before it counts as failed. */
const checkTimeoutMs = 2_000;

export interface ReadinessOptions {
  /** Whether it only stands in the report. For what all processes of a service lose at once, while each can still do part of its work. */
  readonly onlyReported?: boolean;
}

/** Whether this process may be sent work. It may not before `started`, while a check fails, and from `drain` on. */
export class Health {
  private readonly checks = new Map<string, ReadinessOptions & { check: ReadinessCheck }>();
  private state: 'starting' | 'running' | 'draining' = 'starting';

  /** @param name unique; a later check of the same name replaces the earlier */
  add(name: string, check: ReadinessCheck, options: ReadinessOptions = {}): void {
    this.checks.set(name, { check, ...options });
  }

  started(): void {
    if (this.state === 'starting') this.state = 'running';
  }

  drain(): void {
    this.state = 'draining';
  }

  get draining(): boolean {
    return this.state === 'draining';
  }

  async readiness(): Promise<ReadinessReport> {
    const results = await Promise.all(
      [...this.checks].map(async ([name, { check, onlyReported }]) => ({ name, onlyReported, failure: await failureOf(check) })),
    );
    const lines = results.map(({ name, failure }) => (failure === undefined ? `[+]${name} ok` : `[-]${name} ${failure}`));
    if (this.state !== 'running') lines.push(`[-]${this.state}`);
    return {
      ready: this.state === 'running' && results.every(({ failure, onlyReported }) => failure === undefined || onlyReported),
      lines,
    };
  }
}

async function failureOf(check: ReadinessCheck): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${checkTimeoutMs} ms`)), checkTimeoutMs);
  });
  try {
    await Promise.race([check(), expired]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}
