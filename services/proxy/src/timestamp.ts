let writtenAt = NaN;
let written = '';

/** RFC 3339 in UTC; many requests come within the same millisecond, and writing a date costs more than the rest of a record. */
export function timestamp(milliseconds: number): string {
  if (milliseconds !== writtenAt) {
    writtenAt = milliseconds;
    written = new Date(milliseconds).toISOString();
  }
  return written;
}
