/**
 * The frames of a WebSocket that carries a tunnel (RFC 6455 §5): what they hold is one stream of bytes, so a message has no meaning but
 * its bytes, and these are handed on as they come. Nothing is kept but the head of a frame and a control frame's payload.
 */
export interface FrameSink {
  onBytes(bytes: Buffer): void;
  onPing(payload: Buffer): void;
  /** The peer says goodbye; 1005 without a code. Nothing may follow. */
  onClose(code: number): void;
  /** The peer does what it must not: the close code and the reason to answer with. Nothing that follows is read. */
  onBroken(code: number, reason: string): void;
}

export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
const MAX_CONTROL_PAYLOAD = 125;
const NO_CODE = 1005;
const PROTOCOL_ERROR = 1002;
const NOT_ACCEPTABLE = 1003;
const TOO_BIG = 1009;

const FIN = 0x80;
const RESERVED_BITS = 0x70;
const MASKED = 0x80;
const opcodes = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;
const KNOWN = new Set<number>(Object.values(opcodes));
const isControl = (opcode: number) => opcode >= opcodes.close;

/** Reads what a client sends, however it is cut into pieces. */
export class FrameReader {
  private readonly head = Buffer.alloc(14);
  private headLength = 0;
  private opcode = 0;
  /** Of the frame that is being read: what is still to come, and how much has. */
  private left = 0;
  private read = 0;
  private mask = Buffer.alloc(4);
  private inFrame = false;
  /** Of the message that is being read; undefined between two. */
  private messageLength: number | undefined;
  private control: Buffer[] = [];
  private over = false;

  constructor(private readonly sink: FrameSink) {}

  /** Unmasks in place: the buffer is this reader's from here on. */
  push(bytes: Buffer): void {
    let at = 0;
    while (!this.over && (at < bytes.length || (this.inFrame && this.left === 0))) {
      if (!this.inFrame) {
        this.head[this.headLength++] = bytes[at++]!;
        this.readHead();
      } else {
        const piece = bytes.subarray(at, at + this.left);
        at += piece.length;
        this.payload(piece);
      }
    }
  }

  private readHead(): void {
    const { head } = this;
    if (this.headLength < 2) return;
    if ((head[1]! & MASKED) === 0) return this.breakOff(PROTOCOL_ERROR, 'a frame without a mask');
    const short = head[1]! & 0x7f;
    const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
    if (this.headLength < 2 + extended + this.mask.length) return;
    const length = extended === 8 ? Number(head.readBigUInt64BE(2)) : extended === 2 ? head.readUInt16BE(2) : short;
    head.copy(this.mask, 0, 2 + extended);
    this.headLength = 0;
    this.opcode = head[0]! & 0x0f;
    const problem = this.problemWith(head[0]!, length);
    if (problem) return this.breakOff(...problem);
    if (!isControl(this.opcode)) this.messageLength = (this.messageLength ?? 0) + length;
    this.inFrame = true;
    this.left = length;
    this.read = 0;
  }

  private problemWith(first: number, length: number): [number, string] | undefined {
    const { opcode, messageLength } = this;
    if ((first & RESERVED_BITS) !== 0 || !KNOWN.has(opcode)) return [PROTOCOL_ERROR, 'an extension that was not agreed on'];
    if (isControl(opcode))
      return (first & FIN) === 0 || length > MAX_CONTROL_PAYLOAD ? [PROTOCOL_ERROR, 'a control frame that is too large'] : undefined;
    if (opcode === opcodes.text) return [NOT_ACCEPTABLE, 'a tunnel carries binary messages'];
    if ((opcode === opcodes.continuation) !== (messageLength !== undefined)) return [PROTOCOL_ERROR, 'a message within a message'];
    if ((messageLength ?? 0) + length > MAX_MESSAGE_BYTES) return [TOO_BIG, `a message of more than ${MAX_MESSAGE_BYTES} bytes`];
    return undefined;
  }

  private payload(piece: Buffer): void {
    const { mask, opcode } = this;
    for (let i = 0; i < piece.length; i++) piece[i] = piece[i]! ^ mask[(this.read + i) & 3]!;
    this.read += piece.length;
    this.left -= piece.length;
    if (isControl(opcode)) this.control.push(piece);
    else if (piece.length > 0) this.sink.onBytes(piece);
    if (this.left > 0) return;
    this.inFrame = false;
    if (isControl(opcode)) this.endControl();
    else if ((this.head[0]! & FIN) !== 0) this.messageLength = undefined;
  }

  private endControl(): void {
    const payload = Buffer.concat(this.control);
    this.control = [];
    if (this.opcode === opcodes.ping) return this.sink.onPing(payload);
    if (this.opcode === opcodes.pong) return;
    if (payload.length === 1) return this.breakOff(PROTOCOL_ERROR, 'half a close code');
    this.over = true;
    this.sink.onClose(payload.length === 0 ? NO_CODE : payload.readUInt16BE(0));
  }

  private breakOff(code: number, reason: string): void {
    this.over = true;
    this.sink.onBroken(code, reason);
  }
}

/** The head of a binary message of the server's. */
export function bytesHead(length: number): Buffer {
  if (length <= MAX_CONTROL_PAYLOAD) return Buffer.from([FIN | opcodes.binary, length]);
  if (length < 0x1_0000) return Buffer.from([FIN | opcodes.binary, 126, length >> 8, length & 0xff]);
  const head = Buffer.from([FIN | opcodes.binary, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUIntBE(length, 4, 6);
  return head;
}

export const ping = Buffer.from([FIN | opcodes.ping, 0]);

export const pong = (payload: Buffer): Buffer => Buffer.concat([Buffer.from([FIN | opcodes.pong, payload.length]), payload]);

export function close(code: number, reason = ''): Buffer {
  if (code === NO_CODE) return Buffer.from([FIN | opcodes.close, 0]);
  const payload = Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
  return Buffer.concat([Buffer.from([FIN | opcodes.close, payload.length]), payload]);
}
