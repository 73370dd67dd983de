import fc from 'fast-check';
import { ApiKeyRenamed, type AggregateRef } from '@sandlot/contracts';
import { DomainError, type CommandContext, type Decider, type EventOf } from '@sandlot/kernel';
import { Commands, type Handled } from './commands.js';
import { aCommand, anAggregate, renamed, write } from './event-store.features.js';
import { revisionOf, type EventStore } from './event-store.js';
import { MemoryEventStore } from './memory-event-store.js';

type Shelf = ReadonlySet<string>;
type ShelfCommand = { put: string } | { take: string };
const room = 3;

/** A shelf with room for three things, told in events that the catalogue has. */
const shelf: Decider<Shelf, ShelfCommand, EventOf<typeof ApiKeyRenamed>> = {
  initialState: new Set(),
  decide(command, things) {
    if ('take' in command) return things.has(command.take) ? [ApiKeyRenamed({ name: `-${command.take}` })] : [];
    if (things.has(command.put)) return [];
    if (things.size >= room) throw new DomainError('QUOTA_EXCEEDED', 'the shelf is full');
    return [ApiKeyRenamed({ name: `+${command.put}` })];
  },
  evolve(things, { data: { name } }) {
    const next = new Set(things);
    if (name.startsWith('+')) next.add(name.slice(1));
    else next.delete(name.slice(1));
    return next;
  },
};

const run = (commands: Commands, context: CommandContext, ref: AggregateRef, command: ShelfCommand): Promise<Handled<string[]>> =>
  commands.handle(context, async (work) => {
    const aggregate = await work.load(shelf, ref);
    aggregate.decide(command);
    return [...aggregate.state].sort();
  });

describe('a command', () => {
  let store: MemoryEventStore;
  let commands: Commands;
  let ref: AggregateRef;

  beforeEach(() => {
    store = new MemoryEventStore();
    commands = new Commands(store);
    ref = anAggregate();
  });

  it('stores what was decided, and answers with the position and the new state', async () => {
    expect(await run(commands, aCommand(), ref, { put: 'a' })).toEqual({ position: 1, repeated: false, result: ['a'] });
    expect(await run(commands, aCommand(), ref, { put: 'b' })).toEqual({ position: 2, repeated: false, result: ['a', 'b'] });
  });

  it('that finds it already so stores nothing, and answers with where that stands', async () => {
    await run(commands, aCommand(), ref, { put: 'a' });
    expect(await run(commands, aCommand(), ref, { put: 'a' })).toEqual({ position: 1, repeated: false, result: ['a'] });
    expect(store.all()).toHaveLength(1);
  });

  it('that is repeated gives its answer again and decides nothing, wherever it is handled and whatever came since', async () => {
    const context = aCommand();
    await run(commands, context, ref, { put: 'a' });
    await run(commands, aCommand(), ref, { take: 'a' });
    for (const instance of [commands, new Commands(store)])
      expect(await run(instance, context, ref, { put: 'a' })).toEqual({ position: 1, repeated: true, result: [] });
    expect(store.all()).toHaveLength(2);
  });

  it('that is refused is refused again, and may succeed later', async () => {
    for (const put of ['a', 'b', 'c']) await run(commands, aCommand(), ref, { put });
    const context = aCommand();
    for (const _ of [1, 2]) await expect(run(commands, context, ref, { put: 'd' })).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await run(commands, aCommand(), ref, { take: 'a' });
    expect(await run(commands, context, ref, { put: 'd' })).toMatchObject({ repeated: false, result: ['b', 'c', 'd'] });
  });

  it('is not refused, nor found to be so already, on state that is old', async () => {
    const other = new Commands(store);
    for (const put of ['a', 'b', 'c']) await run(commands, aCommand(), ref, { put });
    await run(other, aCommand(), ref, { take: 'a' });
    expect(await run(commands, aCommand(), ref, { put: 'd' })).toMatchObject({ result: ['b', 'c', 'd'] });
    await run(other, aCommand(), ref, { take: 'd' });
    expect(await run(commands, aCommand(), ref, { put: 'd' })).toMatchObject({ repeated: false, position: 7 });
  });

  it('is decided again on fresh state at most three times when others are faster', async () => {
    let races = 0;
    const contended: EventStore = {
      read: (...args) => store.read(...args),
      append: async (context, writes) => {
        races += 1;
        await store.append(aCommand(), [write(ref, renamed(`+${races}`, `-${races}`), (await store.read(ref)).map(revisionOf).at(-1))]);
        return store.append(context, writes);
      },
    };
    await expect(run(new Commands(contended), aCommand(), ref, { put: 'a' })).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(races).toBe(4);
  });

  it('of 200 from 50 clients on one aggregate: none is turned away for the others', async () => {
    const tally: Decider<number, string, EventOf<typeof ApiKeyRenamed>> = {
      initialState: 0,
      decide: (name) => [ApiKeyRenamed({ name })],
      evolve: (count) => count + 1,
    };
    const clients = Array.from({ length: 50 }, async (_, client) => {
      for (let i = 0; i < 4; i += 1)
        await commands.handle(aCommand(), async (work) => (await work.load(tally, ref)).decide(`${client}/${i}`));
    });
    await Promise.all(clients);
    expect(await commands.load(tally, ref)).toMatchObject({ state: 200, revision: { version: 200 } });
  });

  it('goes on when the log was put back to an earlier state, after one that could not', async () => {
    let log = store;
    const restored: EventStore = { read: (...args) => log.read(...args), append: (...args) => log.append(...args) };
    const instance = new Commands(restored);
    for (const put of ['a', 'b']) await run(instance, aCommand(), ref, { put });
    log = new MemoryEventStore();
    await expect(run(instance, aCommand(), ref, { put: 'c' })).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await run(instance, aCommand(), ref, { put: 'c' })).toMatchObject({ position: 1, result: ['c'] });
  });

  it('over several aggregates takes effect on all or on none, also when it is repeated', async () => {
    const [one, two] = [anAggregate(), anAggregate()];
    const move = (context: CommandContext, what: string) =>
      commands.handle(context, async (work) => {
        const [from, to] = [await work.load(shelf, one), await work.load(shelf, two)];
        return [from.decide({ take: what }), to.decide({ put: what })];
      });
    await run(commands, aCommand(), one, { put: 'a' });
    for (const put of ['x', 'y', 'z']) await run(commands, aCommand(), two, { put });
    const context = aCommand();
    await expect(move(context, 'a')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    expect([...(await commands.load(shelf, one)).state]).toEqual(['a']);
    await run(commands, aCommand(), two, { take: 'x' });
    expect(await move(context, 'a')).toEqual({ position: 7, repeated: false, result: [true, true] });
    await run(commands, aCommand(), one, { put: 'a' }); // so that `take` would have something to do again
    expect(await move(context, 'a')).toEqual({ position: 7, repeated: true, result: [false, false] });
    expect([...(await commands.load(shelf, one)).state]).toEqual(['a']);
  });

  it('whose outcome the log does not tell is neither success nor failure, and can be repeated', async () => {
    let lost = true;
    const lossy: EventStore = {
      read: (...args) => store.read(...args),
      append: async (...args) => {
        const result = await store.append(...args);
        return lost ? { outcome: 'unknown' } : result;
      },
    };
    const instance = new Commands(lossy);
    const context = aCommand();
    await expect(run(instance, context, ref, { put: 'a' })).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      details: { commandId: context.commandId },
    });
    lost = false;
    expect(await run(instance, context, ref, { put: 'a' })).toEqual({ position: 1, repeated: true, result: ['a'] });
  });

  it('whose append turns out to have been applied answers from what was stored', async () => {
    const context = aCommand();
    await run(commands, aCommand(), ref, { put: 'a' });
    const behind = new Commands(store);
    await behind.load(shelf, ref);
    await run(commands, aCommand(), ref, { put: 'b' });
    await run(commands, context, ref, { put: 'c' });
    expect(await run(behind, context, ref, { put: 'c' })).toEqual({ position: 3, repeated: true, result: ['a', 'b', 'c'] });
  });
});

describe('an aggregate that a command creates', () => {
  it('is taken for new without a look at the log', async () => {
    const log = new MemoryEventStore();
    const looked: AggregateRef[] = [];
    const instance = new Commands({
      read: (ref, ...rest) => (looked.push(ref), log.read(ref, ...rest)),
      append: (...args) => log.append(...args),
    });
    const created = anAggregate();
    const { position } = await instance.handle(aCommand(), async (work) => (await work.create(shelf, created)).decide({ put: 'a' }));
    expect(position).toBe(1);
    expect(looked).toEqual([]);
    expect([...(await instance.load(shelf, created)).state]).toEqual(['a']);
  });

  it.each(['the same instance', 'another instance', 'one that has read the other aggregate only'])(
    'is there when the command is repeated: %s gives the answer again',
    async (which) => {
      const log = new MemoryEventStore();
      const [list, created] = [anAggregate(), anAggregate()];
      const context = aCommand();
      const create = (instance: Commands) =>
        instance.handle(context, async (work) => {
          (await work.load(shelf, list)).decide({ put: created.id });
          const aggregate = await work.create(shelf, created);
          aggregate.decide({ put: 'a' });
          return [...aggregate.state];
        });
      const first = new Commands(log);
      const other = which === 'the same instance' ? first : new Commands(log);
      expect(await create(first)).toEqual({ position: 2, repeated: false, result: ['a'] });
      await run(first, aCommand(), created, { put: 'b' });
      if (which.startsWith('one')) await other.load(shelf, list);
      expect(await create(other)).toEqual({ position: 2, repeated: true, result: ['a', 'b'] });
      expect(log.all()).toHaveLength(3);
    },
  );
});

describe('two instances on one log', () => {
  it('keep every rule, and let each command take effect at most once, however they are interleaved and whatever answers are lost', async () => {
    const step = fc.record({
      instance: fc.nat(1),
      shelves: fc.uniqueArray(fc.nat(2), { minLength: 1, maxLength: 2 }),
      command: fc.constantFrom<ShelfCommand>({ put: 'a' }, { put: 'b' }, { put: 'c' }, { put: 'd' }, { take: 'a' }, { take: 'b' }),
      deliveries: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.infiniteStream(fc.nat(5)),
        async (s, steps, losses) => {
          const log = new MemoryEventStore();
          const append = s.scheduleFunction((...args: Parameters<EventStore['append']>) => log.append(...args));
          const scheduled: EventStore = {
            read: s.scheduleFunction((...args: Parameters<EventStore['read']>) => log.read(...args)),
            append: async (...args) => {
              const result = await append(...args);
              return losses.next().value === 0 ? { outcome: 'unknown' } : result;
            },
          };
          const instances = [new Commands(scheduled), new Commands(scheduled, { cached: 1 })];
          const shelves = [anAggregate(), anAggregate(), anAggregate()];
          const outcomes = steps.flatMap(({ instance, shelves: which, command, deliveries }) => {
            const context = aCommand();
            return Array.from({ length: deliveries }, async (_, delivery) => ({
              context,
              which,
              outcome: await instances[(instance + delivery) % 2]!.handle(context, async (work) => {
                // The first shelf is changed whenever any is, as `handle` asks for.
                let changed: boolean | undefined;
                for (const i of which) {
                  const loaded = await work.load(shelf, shelves[i]!);
                  if (changed !== false) changed = loaded.decide(command) || changed === true;
                }
                return changed;
              }).catch((error: unknown) => (error instanceof DomainError ? error.code : Promise.reject(error))),
            }));
          });
          const results = await s.waitFor(Promise.all(outcomes));

          const things = new Map<string, Shelf>();
          const effects = new Map<string, Map<string, number>>();
          for (const { aggregate, fact, commandId, position } of log.all()) {
            const next = shelf.evolve(things.get(aggregate.id) ?? shelf.initialState, fact as EventOf<typeof ApiKeyRenamed>);
            expect(next.size).toBeLessThanOrEqual(room);
            expect(next).not.toEqual(things.get(aggregate.id)); // nothing is put or taken twice
            things.set(aggregate.id, next);
            const effect = effects.get(commandId) ?? new Map<string, number>();
            expect(effect.has(aggregate.id)).toBe(false);
            effects.set(commandId, effect.set(aggregate.id, position));
          }
          for (const { context, outcome } of results) {
            const effect = effects.get(context.commandId);
            if (typeof outcome === 'object' && (outcome.repeated || outcome.result)) {
              expect(outcome.position).toBe(Math.max(...effect!.values())); // acknowledged, so it is there
              expect(outcome.position - Math.min(...effect!.values())).toBe(effect!.size - 1); // in one piece
            }
          }
          for (const { context, outcome } of results)
            if (outcome === 'QUOTA_EXCEEDED' && results.every((other) => other.context !== context || other.outcome === 'QUOTA_EXCEEDED'))
              expect(effects.has(context.commandId)).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  }, 60_000);
});
