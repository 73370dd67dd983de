import type { Socket } from 'node:net';

/** What a client may send before it is accepted, in bytes; it is not read further until then. */
const MAX_EARLY = 64 * 1024;

/**
 * What a client sends behind a request for which node:http has given its socket away, kept until somebody takes it. Reading it is
 * also the only way to notice that the client goes.
 */
export class EarlyBytes {
  private readonly pieces: Buffer[] = [];
  private ended = false;
  private length = 0;

  /**
   * @param first what came together with the request
   * @param mayHalfClose an end behind some bytes means only that the client has no more to send; else any end means that it goes
   */
  constructor(
    private readonly socket: Socket,
    first: Buffer,
    private readonly mayHalfClose: boolean,
  ) {
    if (first.length > 0) this.read(first);
    socket.on('data', this.read).on('end', this.end);
  }

  /** Hands over what has come; the socket is the caller's from here on. */
  take(): { bytes: Buffer; ended: boolean } {
    this.ignore();
    return { bytes: Buffer.concat(this.pieces), ended: this.ended };
  }

  /** Lets everything that comes be thrown away: there will only be an answer. */
  ignore(): void {
    this.socket.off('data', this.read).off('end', this.end);
  }

  private readonly read = (bytes: Buffer): void => {
    this.pieces.push(bytes);
    this.length += bytes.length;
    if (this.length > MAX_EARLY) this.socket.pause();
  };

  private readonly end = (): void => {
    this.ended = true;
    if (!this.mayHalfClose || this.length === 0) this.socket.destroy();
  };
}
