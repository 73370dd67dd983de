import type { OnReadOpts } from 'node:net';

/** Bytes that Node reads at once. */
const SIZE = 64 * 1024;
const shared = Buffer.allocUnsafeSlow(SIZE);

/**
 * How a connection reads, for `net.connect`. Node makes a buffer of 64 KiB for each read and shrinks it to what came, which for a small answer
 * costs more than the rest of taking it. Here all connections read into one buffer, out of which is copied what came; only behind a read that
 * filled it is the next one into a buffer of its own, for a large body should not be copied.
 * @param deliver takes what came; false: read no more for now
 */
export function shortReads(deliver: (bytes: Buffer) => boolean): OnReadOpts {
  let filled = false;
  return {
    buffer: () => (filled ? Buffer.allocUnsafeSlow(SIZE) : shared),
    callback(length, into) {
      filled = length === SIZE;
      if (into === shared) return deliver(Buffer.from(shared.subarray(0, length)));
      return deliver(Buffer.from((into.buffer as ArrayBuffer).transfer(length)));
    },
  };
}
