import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { StreamConfig } from '@nats-io/jetstream';
import { z } from 'zod';

/** What a stream held when its snapshot began; what came later may be in it too. */
export interface StreamState {
  readonly messages: number;
  readonly bytes: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly consumers: number;
}

export interface Snapshot {
  readonly config: StreamConfig;
  readonly state: StreamState;
  /** The server's own compressed archive of it, durable consumers included. To be read to its end. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

const refused = z.object({ error: z.object({ code: z.number(), description: z.string() }) });
const WireState = z.looseObject({
  messages: z.int(),
  bytes: z.int(),
  first_seq: z.int(),
  last_seq: z.int(),
  consumer_count: z.int().default(0),
});
const Opened = z.object({ config: z.looseObject({ name: z.string() }), state: WireState });
const Restoring = z.object({ deliver_subject: z.string() });

const chunkBytes = 512 * 1024;
const windowBytes = 16 * 1024 * 1024;
/** The server gives up when nothing is acknowledged for 5 s; a store may take longer for what is in our hands. */
const signOfLifeMs = 2_000;
const silenceMs = 30_000;
/** What is restored is written message by message and, where NATS syncs always, synced so. The server waits 5 s for a chunk to be through. */
const restoredChunkBytes = 16 * 1024;
const restoredWithinMs = 120_000;

export async function openSnapshot(connection: NatsConnection, stream: string): Promise<Snapshot> {
  const chunks = new Chunks(connection);
  try {
    const opened = Opened.parse(
      await ask(connection, `$JS.API.STREAM.SNAPSHOT.${stream}`, {
        deliver_subject: chunks.subject,
        no_consumers: false,
        chunk_size: chunkBytes,
        window_size: windowBytes,
      }),
    );
    return { config: opened.config as unknown as StreamConfig, state: stateOf(opened.state), chunks };
  } catch (error) {
    chunks.close();
    throw error;
  }
}

/** Makes the stream, which must not be there, from a snapshot of it; returns what it holds then. */
export async function restoreSnapshot(
  connection: NatsConnection,
  { config, chunks }: { config: StreamConfig; chunks: AsyncIterable<Uint8Array> },
): Promise<StreamState> {
  const { deliver_subject: subject } = Restoring.parse(await ask(connection, `$JS.API.STREAM.RESTORE.${config.name}`, { config }));
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += restoredChunkBytes)
      await send(connection, subject, chunk.subarray(at, at + restoredChunkBytes));
  const done = z.object({ state: WireState }).parse(await send(connection, subject, new Uint8Array()));
  return stateOf(done.state);
}

const stateOf = (state: z.output<typeof WireState>): StreamState => ({
  messages: state.messages,
  bytes: state.bytes,
  firstPosition: state.first_seq,
  lastPosition: state.last_seq,
  consumers: state.consumer_count,
});

async function ask(connection: NatsConnection, subject: string, body: unknown): Promise<unknown> {
  return accepted(subject, await connection.request(subject, JSON.stringify(body), { timeout: 30_000 }));
}

/** An acknowledgement without a word says to go on. */
async function send(connection: NatsConnection, subject: string, chunk: Uint8Array): Promise<unknown> {
  const reply = await connection.request(subject, chunk, { timeout: restoredWithinMs });
  return reply.data.length === 0 ? undefined : accepted(subject, reply);
}

function accepted(subject: string, reply: Msg): unknown {
  const answer: unknown = reply.json();
  const refusal = refused.safeParse(answer);
  if (refusal.success) throw new Error(`NATS refuses ${subject}: ${refusal.data.error.description}`);
  return answer;
}

/** Acknowledges a chunk when the next one is asked for, so that no more than the window waits in memory. */
class Chunks implements AsyncIterable<Uint8Array> {
  readonly subject: string;
  private readonly arrived: Msg[] = [];
  private readonly owed: Msg[] = [];
  private readonly subscription;
  private readonly signs: NodeJS.Timeout;
  private wake: () => void = () => undefined;

  constructor(connection: NatsConnection) {
    this.subject = createInbox((connection as { options?: { inboxPrefix?: string } }).options?.inboxPrefix);
    this.signs = setInterval(() => this.owed.shift()?.respond(), signOfLifeMs);
    this.subscription = connection.subscribe(this.subject, {
      callback: (error, message) => {
        if (error) return;
        this.arrived.push(message);
        if (message.reply) this.owed.push(message);
        this.wake();
      },
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const message = this.arrived.shift() ?? (await this.next());
        if (message.headers && message.headers.code >= 400) throw new Error(`the snapshot failed: ${message.headers.description}`);
        if (message.data.length === 0) return;
        yield message.data;
        this.owed.shift()?.respond();
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    clearInterval(this.signs);
    this.subscription.unsubscribe();
  }

  private async next(): Promise<Msg> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the snapshot stopped: nothing came for ${silenceMs / 1_000} s`)), silenceMs);
    });
    try {
      while (this.arrived.length === 0) await Promise.race([new Promise<void>((resolve) => (this.wake = resolve)), silence]);
      return this.arrived.shift()!;
    } finally {
      clearTimeout(timer);
    }
  }
}
