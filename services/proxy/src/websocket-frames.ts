const CLOSE = 0x8;
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;
const MAX_HEAD = 14;

/**
 * Follows the frames of one direction of a WebSocket (RFC 6455 §5.2) as they pass, without looking inside: only between two frames
 * may something be put. The sandbox may send nonsense; then nothing here makes sense, and nothing depends on it but the farewell.
 */
export class FrameBoundary {
  /** Whether a Close frame has passed: nothing may follow it. */
  closed = false;
  /** What there is of a head that has not ended yet. */
  private partial: Buffer | undefined;
  private payload = 0;

  /** Whether what has passed ends where a frame ends. */
  get between(): boolean {
    return this.partial === undefined && this.payload === 0;
  }

  /** Takes all bytes into account, or, with `onlyThisFrame`, those up to the next end of a frame. @returns how many that were */
  advance(bytes: Buffer, onlyThisFrame = false): number {
    let at = 0;
    while (at < bytes.length) {
      if (this.payload > 0) {
        const taken = Math.min(this.payload, bytes.length - at);
        this.payload -= taken;
        at += taken;
      } else {
        at = this.readHead(bytes, at);
      }
      if (onlyThisFrame && this.between) break;
    }
    return at;
  }

  /** @returns where the head ends, or everything does */
  private readHead(bytes: Buffer, from: number): number {
    const { partial } = this;
    const head = partial ? Buffer.concat([partial, bytes.subarray(from, from + MAX_HEAD)]) : bytes;
    const start = partial ? 0 : from;
    const length = lengthOfHead(head, start);
    if (head.length - start < length) {
      this.partial = Buffer.from(head.subarray(start)); // a copy: the piece that it is of is large
      return bytes.length;
    }
    this.partial = undefined;
    this.payload = payloadLength(head, start);
    if ((head[start]! & 0x0f) === CLOSE) this.closed = true;
    return from + length - (partial?.length ?? 0);
  }
}

/** Of the head that begins there, as far as its first two bytes tell. */
function lengthOfHead(bytes: Buffer, start: number): number {
  if (bytes.length - start < 2) return 2;
  const second = bytes[start + 1]!;
  const short = second & 0x7f;
  return 2 + (short === 127 ? 8 : short === 126 ? 2 : 0) + (second >= 0x80 ? 4 : 0);
}

function payloadLength(head: Buffer, start: number): number {
  const short = head[start + 1]! & 0x7f;
  if (short < 126) return short;
  return short === 126 ? head.readUInt16BE(start + 2) : head.readUInt32BE(start + 2) * 2 ** 32 + head.readUInt32BE(start + 6);
}

export const farewells = { 'going away': GOING_AWAY, revoked: POLICY_VIOLATION } as const;
export type Farewell = keyof typeof farewells;

/** A Close frame without a reason; masked, as a client's must be, or not, as a server's. */
export function closeFrame(farewell: Farewell, masked: boolean): Buffer {
  const code = Buffer.alloc(2);
  code.writeUInt16BE(farewells[farewell]);
  if (!masked) return Buffer.from([0x80 | CLOSE, 2, ...code]);
  const mask = crypto.getRandomValues(new Uint8Array(4));
  return Buffer.from([0x80 | CLOSE, 0x80 | 2, ...mask, code[0]! ^ mask[0]!, code[1]! ^ mask[1]!]);
}
