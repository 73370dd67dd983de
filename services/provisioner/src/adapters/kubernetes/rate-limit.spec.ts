import { RateLimit } from './rate-limit.js';

describe('the rate limit', () => {
  it('lets a burst pass and makes the rest wait for their turn', () => {
    const limit = new RateLimit(50, 3, () => 0);
    expect([1, 2, 3, 4, 5].map(() => limit.reserve())).toEqual([0, 0, 0, 20, 40]);
  });

  it('fills up again with time, to no more than the burst', () => {
    let now = 0;
    const limit = new RateLimit(10, 2, () => now);
    expect([limit.reserve(), limit.reserve(), limit.reserve()]).toEqual([0, 0, 100]);
    now = 60_000;
    expect([limit.reserve(), limit.reserve(), limit.reserve()]).toEqual([0, 0, 100]);
  });
});
