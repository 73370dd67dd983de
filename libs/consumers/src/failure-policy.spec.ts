import { backoff } from './failure-policy.js';

describe('the backoff', () => {
  it('doubles with each attempt, of which at most half is taken off, up to its limit', () => {
    for (const [attempt, ceiling] of [
      [1, 100],
      [2, 200],
      [5, 1_600],
      [10, 5_000],
      [10_000, 5_000],
    ] as const) {
      for (let i = 0; i < 50; i += 1) {
        const wait = backoff(attempt, { firstMs: 100, maxMs: 5_000 });
        expect(wait).toBeGreaterThanOrEqual(ceiling / 2);
        expect(wait).toBeLessThanOrEqual(ceiling);
      }
    }
  });

  it('does not bring back together what failed together', () => {
    expect(new Set(Array.from({ length: 50 }, () => backoff(8))).size).toBeGreaterThan(10);
  });
});
