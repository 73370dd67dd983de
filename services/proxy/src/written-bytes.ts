/** Bytes from which on it pays not to leave them to the garbage collector. */
const LARGE = 16 * 1024;

interface Writer {
  write(bytes: Buffer, written?: () => void): boolean;
}

/**
 * Writes bytes that nobody looks at afterwards, and gives their memory back as soon as they are with the system. The garbage collector would
 * as well, but it counts what lies outside its heap: after every 64 MiB of bodies it goes through all that lives, which takes longer than
 * passing them. @returns what `write` does
 */
export function writeAway(to: Writer, bytes: Buffer): boolean {
  if (bytes.length < LARGE) return to.write(bytes);
  const memory = bytes.buffer as ArrayBuffer;
  if (bytes.length < memory.byteLength) return to.write(bytes); // of what is larger, another part may still be needed
  return to.write(bytes, () => void memory.transfer(0));
}
