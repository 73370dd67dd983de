import { aggregateRef } from '@sandlot/contracts';
import { newId, type CommandId } from '@sandlot/kernel';
import { nothing, type EventStore } from './event-store.js';
import { appliedIn, RecentAggregates, refresh, type Snapshot } from './recent-aggregates.js';

const snapshot = (position: number, commands = new Map<CommandId, number>()): Snapshot => ({
  state: `at ${position}`,
  revision: { ...nothing, version: position, position },
  commands,
});

describe('the aggregates in memory', () => {
  it('are never replaced by older ones, which a slower read may bring', () => {
    const recent = new RecentAggregates(10);
    recent.keep('a', snapshot(5));
    expect(recent.keep('a', snapshot(4)).state).toBe('at 4');
    expect(recent.get('a')?.state).toBe('at 5');
    recent.keep('a', snapshot(6));
    expect(recent.get('a')?.state).toBe('at 6');
  });

  it('know a command only once their state has what it did', () => {
    const commandId = newId('cmd');
    const commands = new Map([[commandId, 6]]);
    expect(appliedIn(snapshot(5, commands), commandId)).toBeUndefined();
    expect(appliedIn(snapshot(6, commands), commandId)).toBe(6);
  });

  it('are not read past an event of a newer version, which would be decided without', async () => {
    const decider = { initialState: 'none', evolve: (state: string) => state, decide: () => [] };
    const event = { type: 'user.disabled.v2', known: false, position: 7, commandId: newId('cmd') };
    const store = { read: () => Promise.resolve([event]) } as unknown as EventStore;
    await expect(refresh(store, decider, aggregateRef('user', 'usr_1'))).rejects.toMatchObject({
      code: 'NEWER_EVENT',
      message: 'position 7 holds user.disabled.v2, which a newer version has written and this one cannot read',
    });
  });

  it('are bounded by their number, and by how many commands they remember together', () => {
    const recent = new RecentAggregates(3);
    const many = () => new Map(Array.from({ length: 120 }, (_, i) => [newId('cmd'), i]));
    for (const subject of ['a', 'b', 'c', 'd']) recent.keep(subject, snapshot(1));
    expect(['a', 'b', 'c', 'd'].map((subject) => recent.get(subject) !== undefined)).toEqual([false, true, true, true]);
    for (const subject of ['e', 'f', 'g']) recent.keep(subject, snapshot(1, many()));
    expect(['e', 'f', 'g'].map((subject) => recent.get(subject) !== undefined)).toEqual([false, true, true]);
  });
});
