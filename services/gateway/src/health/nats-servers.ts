import { statfs } from 'node:fs/promises';

/** What a NATS server's monitoring endpoint says. */
export interface NatsServerSeen {
  /** host:port of the endpoint. */
  readonly server: string;
  /** Why it does not answer, or its own word that it is not healthy. */
  readonly trouble?: string;
  /** What JetStream holds, and the most that it may, in bytes. */
  readonly storedBytes?: number;
  readonly limitBytes?: number;
}

interface JetStreamState {
  storage: number;
  config?: { max_storage: number; store_dir: string };
}

const withinMs = 2_000;

export function lookAtNatsServers(urls: readonly string[]): Promise<NatsServerSeen[]> {
  return Promise.all(urls.map(look));
}

async function look(url: string): Promise<NatsServerSeen> {
  const server = new URL(url).host;
  try {
    const [health, { storage, config }] = await Promise.all([
      ask<{ error?: string }>(url, '/healthz?js-enabled-only=true'),
      ask<JetStreamState>(url, '/jsz?config=true'),
    ]);
    return {
      server,
      storedBytes: storage,
      ...(config && { limitBytes: await limitOf(url, storage, config) }),
      ...(health.error !== undefined && { trouble: health.error }),
    };
  } catch (error) {
    return { server, trouble: `its monitoring endpoint does not answer: ${reasonOf(error)}` };
  }
}

/** Healthy or not, it answers with JSON. */
async function ask<Answer>(url: string, path: string): Promise<Answer> {
  const response = await fetch(new URL(path, url), { signal: AbortSignal.timeout(withinMs) });
  return (await response.json()) as Answer;
}

/** A server on this machine may have been told no limit; its disk has one. */
async function limitOf(url: string, stored: number, { max_storage: most, store_dir: folder }: NonNullable<JetStreamState['config']>) {
  if (!/^(127\.|localhost$|\[::1\]$)/.test(new URL(url).hostname)) return most;
  const disk = await statfs(folder).catch(() => undefined);
  return disk ? Math.min(most, stored + disk.bavail * disk.bsize) : most;
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { message?: string }; message: string };
  return cause?.message ?? message; // fetch itself says no more than that it failed
}
