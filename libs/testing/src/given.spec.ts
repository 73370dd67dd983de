import { DomainError, type Decider } from '@sandlot/kernel';
import { given } from './given.js';
import { runTwice } from './run-twice.js';

type Counted = { type: 'Counted' };
const counter: Decider<number, 'count' | 'rest' | 'break', Counted> = {
  initialState: 0,
  decide(command, state) {
    if (command === 'break') throw new Error('a bug');
    if (command === 'rest') return [];
    if (state === 1) throw new DomainError('QUOTA_EXCEEDED', 'one is enough');
    return [{ type: 'Counted' }];
  },
  evolve: (state) => state + 1,
};

describe('given', () => {
  const past = given(counter);

  it('compares the facts that follow from a past', () => {
    past().when('count').then({ type: 'Counted' });
    past().when('rest').thenNothing();
    past({ type: 'Counted' }).when('count').thenRefused('QUOTA_EXCEEDED');
  });

  it('fails on other facts, on another refusal, and on none', () => {
    expect(() => past().when('count').thenNothing()).toThrow();
    expect(() => past().when('rest').then({ type: 'Counted' })).toThrow();
    expect(() => past({ type: 'Counted' }).when('count').thenRefused('USERNAME_TAKEN')).toThrow();
    expect(() => past().when('count').thenRefused('QUOTA_EXCEEDED')).toThrow('expected a refusal');
  });

  it('does not take a bug for a refusal', () => {
    expect(() => past().when('break').thenRefused('QUOTA_EXCEEDED')).toThrow('a bug');
  });
});

describe('runTwice', () => {
  it('hands over the same event twice, whatever the first run did to it', async () => {
    const seen: number[] = [];
    const handler = (event: { n: number }) => {
      seen.push(event.n++);
      return event.n;
    };
    expect(await runTwice(handler, { n: 1 }, (first) => expect(first).toBe(2))).toEqual([2, 2]);
    expect(seen).toEqual([1, 1]);
  });
});
