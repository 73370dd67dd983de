import { GroupCommit, type PendingAppend } from './group-commit.js';
import type { WireEvent } from './record.js';

describe('appends that wait for each other', () => {
  let groups: string[][];
  let next: PromiseWithResolvers<void>;
  let commits: GroupCommit;

  const open = (maxAlone: number) => {
    const store = (group: readonly PendingAppend[]) => {
      groups.push(group.map((append) => [...append.subjects].join('+')));
      return next.promise;
    };
    commits = new GroupCommit(store, { maxMessages: 10, maxAlone });
  };

  beforeEach(() => {
    groups = [];
    next = Promise.withResolvers();
    open(0);
  });

  const add = (...appends: [subjects: string[], messages?: number][]) => {
    for (const [subjects, messages = 1] of appends)
      commits.add({ subjects: new Set(subjects), events: Array<WireEvent>(messages), settle: () => undefined } satisfies PendingAppend);
  };
  const done = async () => {
    const { resolve } = next;
    next = Promise.withResolvers();
    resolve();
    await new Promise((settled) => setImmediate(settled));
  };

  it('share the next group while one is being stored', async () => {
    add([['a']], [['b']], [['c']]);
    expect(groups).toEqual([['a']]);
    await done();
    expect(groups).toEqual([['a'], ['b', 'c']]);
    await done();
    add([['d']]);
    expect(groups[2]).toEqual(['d']);
  });

  it('never share a group when they touch the same subject, and keep their order on it', async () => {
    add([['first']], [['a']], [['a', 'b']], [['b']], [['c']]);
    for (let i = 0; i < 4; i += 1) await done();
    expect(groups).toEqual([['first'], ['a', 'c'], ['a+b'], ['b']]);
  });

  it('share a group up to its size, and a large one comes through', async () => {
    add([['first']], [['a'], 6], [['b'], 6], [['c'], 4], [['d'], 100]);
    for (let i = 0; i < 4; i += 1) await done();
    expect(groups.slice(0, 3)).toEqual([['first'], ['a', 'c'], ['b']]);
    expect(groups.flat()).toContain('d');
  });

  it('go by themselves, a few at a time, when they are of one event', async () => {
    open(2);
    add([['a'], 2], [['b']], [['c']], [['d']], [['e']]);
    expect(groups).toEqual([['a'], ['b'], ['c']]);
    await done();
    expect(groups).toEqual([['a'], ['b'], ['c'], ['d', 'e']]);
  });

  it('do not go by themselves past others on the same subject', async () => {
    open(9);
    add([['a']], [['a'], 2], [['a']], [['b']]);
    expect(groups).toEqual([['a'], ['b']]);
    for (let i = 0; i < 3; i += 1) await done();
    expect(groups).toEqual([['a'], ['b'], ['a'], ['a']]);
    add([['x'], 2], [['x']], [['y']]);
    expect(groups.slice(4)).toEqual([['x'], ['y']]);
    await done();
    expect(groups.slice(4)).toEqual([['x'], ['y'], ['x']]);
  });
});
