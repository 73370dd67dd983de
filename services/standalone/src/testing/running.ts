export type Signal = 'SIGTERM' | 'SIGKILL' | 'SIGINT';

/** What the two ways of running the platform have in common. */
export interface Running {
  readonly url: string;
  /** What runs now, by name: `standalone`, or each service; and `nats` and `postgres`. */
  pids(): Promise<Readonly<Record<string, number>>>;
  /** Ends one of them and waits for its end. The standalone starts its servers again by itself. */
  kill(name: string, signal?: Signal): Promise<void>;
  /** Starts one that has ended again, with these settings besides its own; returns when it is ready. */
  restart(name: string, env?: Readonly<Record<string, string>>): Promise<void>;
  /** SIGKILL to every process at once, sandboxes and servers included. */
  killEverything(): Promise<void>;
  /** Starts everything again that has ended, on the same data. */
  start(): Promise<void>;
  /** Ends everything in order. Throws when a program does not end by itself, or not with 0. */
  stop(): Promise<void>;
  /** Where each process shows its metrics, by name; only where each service is a process of its own. */
  metricsUrls?(): Readonly<Record<string, string>>;
  /** What all programs have printed, over all their runs. */
  logs(): Promise<string>;
}
