import { StringDecoder } from 'node:string_decoder';
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Takes what a command writes. A promise asks for no more until it resolves. */
export type Receive = (chunk: Buffer) => Promise<void> | undefined;

/** More than this no pipe holds. */
const pipeCapacity = 1024 * 1024;

/** Hands on what a command writes to one stream, no faster than it is taken. */
export class Pump {
  private readonly stream: Readable;
  private receive: Receive;
  private received = 0;
  private held: Promise<void> | undefined;

  constructor(stream: Readable, receive: Receive) {
    this.stream = stream;
    this.receive = receive;
    stream.on('data', (chunk: Buffer) => this.pass(chunk));
    stream.on('error', () => undefined);
  }

  private pass(chunk: Buffer): void {
    this.received += chunk.length;
    this.held = this.receive(chunk);
    if (!this.held) return;
    this.stream.pause();
    void this.held.then(() => {
      this.held = undefined;
      this.stream.resume();
    });
  }

  /**
   * Resolves when all that was written before the call has been received. The stream's end cannot be waited for: a process
   * left in the background may hold it open for ever. What was written is in the pipe, so one quiet turn of the event loop
   * (which polls the pipe) says that it is empty; against a writer that never rests, what a pipe can hold is enough.
   */
  async drained(): Promise<void> {
    const enough = this.received + pipeCapacity;
    while (!this.stream.readableEnded && !this.stream.destroyed && this.received < enough) {
      const before = this.received;
      await this.held;
      await nextTurn();
      await nextTurn();
      if (this.received === before && !this.held) return;
    }
  }

  /** From now on what comes is thrown away; a daemon that still writes here must neither block nor get SIGPIPE. */
  discard(): void {
    this.receive = () => undefined;
  }
}

/** Keeps the first `limit` bytes of a stream as text. */
export class KeptOutput {
  truncated = false;
  private readonly limit: number;
  private readonly chunks: Buffer[] = [];
  private size = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  readonly receive: Receive = (chunk) => {
    const room = this.limit - this.size;
    if (chunk.length > room) this.truncated = true;
    if (room <= 0) return undefined;
    const part = chunk.subarray(0, room);
    this.chunks.push(part);
    this.size += part.length;
    return undefined;
  };

  /** UTF-8; what is not becomes U+FFFD. A character that the limit cut through is left out. */
  text(): string {
    const decoder = new StringDecoder('utf8');
    const text = decoder.write(Buffer.concat(this.chunks));
    return this.truncated ? text : text + decoder.end();
  }
}
