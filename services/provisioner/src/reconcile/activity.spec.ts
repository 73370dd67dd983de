import type { SandboxId } from '@sandlot/kernel';
import { Activity } from './activity.js';

function hearing() {
  let now = 1_000_000;
  const activity = new Activity(() => now);
  /** Time passes, and every 5 s a proxy reports. */
  const pass = (ms: number, used: readonly string[] = []) => {
    for (const end = now + ms; now < end;) {
      now += 5_000;
      activity.heard({ proxy: 'one', used: used as SandboxId[] });
    }
  };
  const silence = (ms: number) => void (now += ms);
  return { activity, pass, silence };
}

describe('for how long a sandbox was not used', () => {
  it('is counted from the first look on, and anew with each report of its use', () => {
    const { activity, pass } = hearing();
    expect(activity.idleFor('a')).toBe(0);
    pass(60_000);
    expect(activity.idleFor('a')).toBeGreaterThanOrEqual(55_000);
    pass(5_000, ['a']);
    expect(activity.idleFor('a')).toBe(0);
    pass(10_000, ['b']);
    expect(activity.idleFor('a')).toBe(10_000);
  });

  it('is one proxy’s word as well as another’s', () => {
    const { activity, pass } = hearing();
    activity.idleFor('a');
    for (let round = 0; round < 10; round += 1) {
      pass(5_000, ['a']); // one has it
      activity.heard({ proxy: 'other', used: [] }); // the other has not
    }
    expect(activity.idleFor('a')).toBe(0);
  });

  it('does not count time in which no proxy was heard, before or after', () => {
    const { activity, pass, silence } = hearing();
    activity.idleFor('a');
    silence(3_600_000);
    expect(activity.idleFor('a')).toBe(0);
    silence(3_600_000);
    pass(5_000);
    expect(activity.idleFor('a')).toBe(0);
    pass(60_000);
    expect(activity.idleFor('a')).toBe(60_000);
  });

  it('does not count time in which one of several was not heard, until that is back, has left or is given up', () => {
    const { activity, pass } = hearing();
    activity.idleFor('a');
    const other = (leaving?: true) => activity.heard({ proxy: 'other', used: [], ...(leaving && { leaving }) });
    const idleAfter = (ms: number) => {
      pass(ms);
      return activity.idleFor('a');
    };
    other();
    expect(idleAfter(10_000)).toBeGreaterThan(0);
    expect(idleAfter(60_000)).toBe(0);
    other();
    expect(idleAfter(10_000)).toBe(10_000);
    expect(idleAfter(60_000)).toBe(0);
    other(true);
    expect(idleAfter(60_000)).toBe(60_000);
    other();
    pass(600_000);
    expect(idleAfter(60_000)).toBeGreaterThanOrEqual(50_000);
  });

  it('is forgotten with the sandbox, and never kept for one that nobody asks about', () => {
    const { activity, pass } = hearing();
    activity.idleFor('a');
    pass(60_000, ['b']);
    activity.forget('a');
    expect([activity.idleFor('a'), activity.idleFor('b')]).toEqual([0, 0]);
  });
});
