/** The smallest of the numbers that `percent` of them do not exceed. */
export function percentile(numbers, percent) {
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

/** Of times in ms, as every table here shows them. */
export function summary(times) {
  const of = (percent) => +percentile(times, percent).toFixed(2);
  return { count: times.length, p50: of(50), p90: of(90), p99: of(99), max: of(100) };
}
