import { bytesHead, close, FrameReader, MAX_MESSAGE_BYTES, ping, pong } from './tunnel-frames.js';

/** A client's frame. */
function frame(first: number, payload: Buffer | string = '', announced = Buffer.byteLength(payload)): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const length =
    announced < 126
      ? Buffer.from([0x80 | announced])
      : announced < 0x10000
        ? Buffer.from([0x80 | 126, announced >> 8, announced & 0xff])
        : Buffer.concat([Buffer.from([0x80 | 127]), bigEndian(announced)]);
  const masked = Buffer.from(payload).map((byte, i) => byte ^ mask[i & 3]!);
  return Buffer.concat([Buffer.from([first]), length, mask, masked]);
}
const bigEndian = (length: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(length));
  return bytes;
};

function read(bytes: Buffer, pieceLength = bytes.length): { bytes: string; seen: unknown[] } {
  const seen: unknown[] = [];
  let text = '';
  const reader = new FrameReader({
    onBytes: (piece) => (text += piece.toString('latin1')),
    onPing: (payload) => seen.push(['ping', payload.toString()]),
    onClose: (code) => seen.push(['close', code]),
    onBroken: (code) => seen.push(['broken', code]),
  });
  for (let at = 0; at < bytes.length; at += pieceLength) reader.push(Buffer.from(bytes.subarray(at, at + pieceLength)));
  return { bytes: text, seen };
}

describe('frames of a tunnel over WebSocket', () => {
  const large = Buffer.alloc(70_000, 'abc');
  const all = Buffer.concat([
    frame(0x82, 'one'), frame(0x82), frame(0x02, 'two'), frame(0x89, 'are you there'), frame(0x00, large.subarray(0, 300)), frame(0x80, 'end'),
    frame(0x8a, 'x'), frame(0x82, large), frame(0x88, Buffer.from([0x03, 0xe8])), frame(0x82, 'after the end'),
  ]); // prettier-ignore

  it.each([1, 2, 7, 1000, 1_000_000])('S4-05 are one stream of bytes, cut into pieces of %i', (pieceLength) => {
    const { bytes, seen } = read(all, pieceLength);
    expect(bytes).toBe(`onetwo${large.subarray(0, 300).toString()}end${large.toString()}`);
    expect(seen).toEqual([['ping', 'are you there'], ['close', 1000]]); // prettier-ignore
  });

  it.each<[string, Buffer, number]>([
    ['without a mask', Buffer.from([0x82, 1, 0]), 1002],
    ['of text', frame(0x81, 'x'), 1003],
    ['with a reserved bit', frame(0xc2, 'x'), 1002],
    ['of an unknown kind', frame(0x83, 'x'), 1002],
    ['that go on with nothing', frame(0x80, 'x'), 1002],
    ['that begin a message within another', Buffer.concat([frame(0x02, 'x'), frame(0x82, 'y')]), 1002],
    ['that control and are cut', frame(0x09, 'x'), 1002],
    ['that control and are large', frame(0x89, Buffer.alloc(126)), 1002],
    ['with half a close code', frame(0x88, 'x'), 1002],
    ['of a message that is too large', frame(0x82, '', MAX_MESSAGE_BYTES + 1), 1009],
    ['of a message that is too large together', Buffer.concat([frame(0x02, 'x'), frame(0x80, '', MAX_MESSAGE_BYTES)]), 1009],
    ['longer than can be counted', frame(0x82, '', Number.MAX_SAFE_INTEGER), 1009],
  ])('%s end it', (_, bytes, code) => {
    expect(read(Buffer.concat([bytes, frame(0x82, 'more')])).seen).toEqual([['broken', code]]);
  });

  it('of ours are what RFC 6455 says', () => {
    expect([...bytesHead(125)]).toEqual([0x82, 125]);
    expect([...bytesHead(126)]).toEqual([0x82, 126, 0, 126]);
    expect([...bytesHead(65_535)]).toEqual([0x82, 126, 255, 255]);
    expect([...bytesHead(65_536)]).toEqual([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    expect([...ping, ...pong(Buffer.from('x'))]).toEqual([0x89, 0, 0x8a, 1, 0x78]);
    expect([...close(1000, 'x'), ...close(1005)]).toEqual([0x88, 3, 3, 232, 0x78, 0x88, 0]);
  });
});
