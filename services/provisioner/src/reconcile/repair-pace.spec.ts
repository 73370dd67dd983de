import { RepairPace } from './repair-pace.js';

describe('the pace of repairs', () => {
  it('is not held up a few times, and slows down in a fight', () => {
    const pace = new RepairPace();
    expect([0, 1, 2, 3, 4, 5, 1_000].map((now) => pace.next('a', now))).toEqual([0, 0, 0, 0, 0, 9_999, 9_004]);
    expect(pace.next('b', 1_000)).toBe(0);
    expect(pace.next('a', 10_004)).toBe(0);
    expect(pace.next('a', 10_005)).toBe(9_999);
  });

  it('is free again after a quiet minute', () => {
    const pace = new RepairPace();
    for (const now of [0, 1, 2, 3, 4]) pace.next('a', now);
    expect([60_100, 60_101].map((now) => pace.next('a', now))).toEqual([0, 0]);
  });
});
