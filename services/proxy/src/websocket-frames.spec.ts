import * as ws from 'ws';
import { closeFrame, FrameBoundary } from './websocket-frames.js';

/** The other implementation that is at hand; its types leave this out. */
const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } };

function frame(length: number, mask: boolean, opcode = 2): Buffer {
  const options = { fin: true, rsv1: false, opcode, mask, readOnly: false };
  return Buffer.concat(Sender.frame(Buffer.alloc(length, 7), options));
}

describe('frames that pass', () => {
  it.each([false, true])('are followed through any division (masked: %s)', (mask) => {
    const sizes = [0, 1, 125, 126, 127, 65_535, 65_536];
    const bytes = Buffer.concat(sizes.map((size) => frame(size, mask)));
    const ends = new Set<number>([0]);
    for (const size of sizes) ends.add([...ends].at(-1)! + frame(size, mask).length);
    for (const step of [1, 2, 3, 7, 1000, bytes.length]) {
      const frames = new FrameBoundary();
      for (let at = 0; at < bytes.length; at += step) {
        expect(frames.between).toBe(ends.has(at));
        frames.advance(bytes.subarray(at, at + step));
      }
      expect(frames.between).toBe(true);
    }
  });

  it('are told apart where the next end is asked for', () => {
    const frames = new FrameBoundary();
    const [first, second] = [frame(200, false), frame(5, false)];
    frames.advance(first.subarray(0, 50));
    expect(frames.advance(Buffer.concat([first.subarray(50), second]), true)).toBe(first.length - 50);
    expect(frames.between).toBe(true);
  });

  it('are over with a Close frame', () => {
    const frames = new FrameBoundary();
    frames.advance(frame(3, true));
    expect(frames.closed).toBe(false);
    frames.advance(closeFrame('going away', true));
    expect([frames.closed, frames.between]).toEqual([true, true]);
  });
});

it('a farewell carries its code, masked or not', () => {
  expect(closeFrame('going away', false)).toEqual(Buffer.from([0x88, 2, 0x03, 0xe9]));
  const masked = closeFrame('revoked', true);
  expect([masked[0], masked[1], (masked[6]! ^ masked[2]!) * 256 + (masked[7]! ^ masked[3]!)]).toEqual([0x88, 0x82, 1008]);
});
