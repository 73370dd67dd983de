import { writeAway } from './written-bytes.js';

describe('bytes that are written away', () => {
  const written: (() => void)[] = [];
  const to = {
    write: (_: Buffer, done?: () => void) => {
      if (done) written.push(done);
      return true;
    },
  };
  const write = (bytes: Buffer) => {
    writeAway(to, bytes);
    for (const done of written.splice(0)) done();
  };

  it('are gone when they have been written, and not before', () => {
    const bytes = Buffer.from(new ArrayBuffer(64 * 1024));
    writeAway(to, bytes);
    expect(bytes).toHaveLength(64 * 1024);
    for (const done of written.splice(0)) done();
    expect(bytes).toHaveLength(0);
  });

  it('stay where they are few, or a part of what may still be needed', () => {
    const few = Buffer.from(new ArrayBuffer(100));
    const part = Buffer.from(new ArrayBuffer(64 * 1024)).subarray(1);
    for (const bytes of [few, part]) {
      const { length } = bytes;
      write(bytes);
      expect(bytes).toHaveLength(length);
    }
  });
});
