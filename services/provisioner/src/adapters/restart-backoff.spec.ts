import { RestartBackoff } from './restart-backoff.js';

describe('the pause before a restart', () => {
  it('doubles from 1 s to 60 s', () => {
    const backoff = new RestartBackoff();
    expect(Array.from({ length: 8 }, () => backoff.failed(0) / 1_000)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it('starts afresh after 60 s of health, not before', () => {
    const backoff = new RestartBackoff();
    expect([0, 0, 59_999, 60_000, 0].map((healthyMs) => backoff.failed(healthyMs) / 1_000)).toEqual([1, 2, 4, 1, 2]);
  });

  it('stays at its limit however often it fails', () => {
    const backoff = new RestartBackoff();
    for (let i = 0; i < 5_000; i++) backoff.failed(0);
    expect(backoff.failed(0)).toBe(60_000);
  });
});
