import type { Socket } from 'node:net';

type Written = (error?: Error | null) => void;

/**
 * Lets a socket go on reading after it could not write. A server may answer and close before it has read a large body; Node destroys
 * a socket whose write fails (EPIPE, ECONNRESET), and with it the answer that the kernel has received already. The kernel keeps that
 * for whoever reads, so under a guard a failed write ends only the writing; reading then meets the answer, and its end or error.
 *
 * Put on one socket when it first sends a body, not built into a class of sockets: two classes would slow down what Node does with both.
 */
export class WriteGuard {
  /** While a body is being sent. Otherwise a write that fails destroys the socket, as ever. */
  active = true;
  /** What is written from now on is lost. */
  failed = false;

  constructor(socket: Socket) {
    const { _write: write, _writev: writev } = socket;
    socket._write = (chunk, encoding, written) => {
      if (this.failed) written();
      else write.call(socket, chunk, encoding, this.note(written));
    };
    socket._writev = (chunks, written) => {
      if (this.failed) written();
      else writev!.call(socket, chunks, this.note(written));
    };
  }

  private note(written: Written): Written {
    return (error) => {
      if (error && this.active) this.failed = true;
      written(this.failed ? null : error);
    };
  }
}
