import { aggregateRef, ApiKeyRenamed, type AggregateRef } from '@sandlot/contracts';
import { newId, type CommandContext, type Fact } from '@sandlot/kernel';
import { nothing, revisionOf, type AppendResult, type EventStore, type RecordedEvent, type Revision, type Write } from './event-store.js';
import { toWire } from './record.js';

export interface StoreUnderTest {
  readonly store: EventStore;
  /** Another process's door to the same log. */
  readonly another: EventStore;
  /** Writes past the store, as a damaged disk or a foreign program would. Absent where that cannot be. */
  readonly publishRaw?: (subject: string, headers: ReadonlyMap<string, string>, body: Uint8Array) => Promise<unknown>;
}

export const aCommand = (changes: Partial<CommandContext> = {}): CommandContext => ({
  commandId: newId('cmd'),
  at: '2026-11-21T07:00:00.000Z',
  actor: { type: 'user', id: 'usr_1', keyId: 'key_1', ip: '2001:db8::1' },
  correlationId: 'req-1',
  ...changes,
});
export const anAggregate = (): AggregateRef => aggregateRef('apikey', newId('key'));
export const renamed = (...names: string[]): Fact[] => names.map((name) => ApiKeyRenamed({ name }));
export const write = (aggregate: AggregateRef, facts: Fact[], expected: Revision = nothing): Write => ({ aggregate, expected, facts });
export const names = (events: readonly RecordedEvent[]): string[] => events.map(({ fact }) => (fact.data as { name: string }).name);

/** What every log must do, whatever it stands on. Run by the one in memory and by JetStream on one and on three replicas. */
export function testEventStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the log: ${name}`, () => {
    let log: StoreUnderTest;
    let store: EventStore;

    beforeAll(async () => {
      log = await open();
      store = log.store;
    }, 60_000);

    const appended = async (context: CommandContext, ...writes: Write[]) => {
      const result = await store.append(context, writes);
      expect(result.outcome).toBe('appended');
      return result as Extract<AppendResult, { outcome: 'appended' }>;
    };

    describe('an append', () => {
      it('is read back as it was written', async () => {
        const aggregate = anAggregate();
        const context = aCommand({
          actor: { type: 'admin', id: 'Zoë "100 %"\n', ip: '::1' },
          causationId: 'evt_1',
          traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
        });
        const { position, revisions } = await appended(context, write(aggregate, renamed('one', 'zwei ß 🏖')));
        const events = await store.read(aggregate);
        const common = {
          type: 'apikey.renamed.v1',
          aggregate,
          commandId: context.commandId,
          time: context.at,
          actor: context.actor,
          correlationId: 'req-1',
          causationId: 'evt_1',
          traceparent: context.traceparent,
          known: true,
        };
        expect(events).toEqual([
          expect.objectContaining({ ...common, version: 1, previousHash: '', fact: renamed('one')[0], position: position - 1 }),
          expect.objectContaining({ ...common, version: 2, previousHash: events[0]!.hash, fact: renamed('zwei ß 🏖')[0], position }),
        ]);
        expect(new Set(events.map(({ id }) => id)).size).toBe(2);
        expect(revisions).toEqual([revisionOf(events[1]!)]);
      });

      it('on an old revision is a conflict that stores nothing', async () => {
        const aggregate = anAggregate();
        const first = await appended(aCommand(), write(aggregate, renamed('one')));
        expect(await store.append(aCommand(), [write(aggregate, renamed('two'))])).toEqual({
          outcome: 'conflict',
          aggregate,
          current: first.position,
        });
        expect(names(await store.read(aggregate))).toEqual(['one']);
      });

      it('on an aggregate that is not there is a conflict', async () => {
        const aggregate = anAggregate();
        const elsewhere: Revision = { ...nothing, version: 3, position: 1, hash: 'h' };
        expect(await store.append(aCommand(), [write(aggregate, renamed('one'), elsewhere)])).toMatchObject({
          outcome: 'conflict',
          current: 0,
        });
        expect(await store.read(aggregate)).toEqual([]);
      });

      it('that is repeated is already applied, through another door too', async () => {
        const aggregate = anAggregate();
        const context = aCommand();
        const { position } = await appended(context, write(aggregate, renamed('one')));
        for (const again of [store, log.another])
          expect(await again.append(context, [write(aggregate, renamed('one'))])).toEqual({ outcome: 'already-applied', position });
        expect(names(await store.read(aggregate))).toEqual(['one']);
      });

      it('over several aggregates that is repeated is applied where its last event stands', async () => {
        const [one, two, three] = [anAggregate(), anAggregate(), anAggregate()];
        const context = aCommand();
        const writes = [write(one, renamed('1')), write(two, renamed('2')), write(three, renamed('3'))];
        const { position } = await appended(context, ...writes);
        expect(await store.append(context, writes)).toEqual({ outcome: 'already-applied', position });
        const { revisions } = await appended(aCommand(), write(one, renamed('1b'), revisionOf((await store.read(one))[0]!)));
        expect(revisions[0]!.position).toBeGreaterThan(position);
        expect(await store.append(context, writes)).toEqual({ outcome: 'already-applied', position });
      });

      it('that is repeated after somebody else appended is a conflict, and its command stands in the history', async () => {
        const aggregate = anAggregate();
        const context = aCommand();
        const { revisions } = await appended(context, write(aggregate, renamed('one')));
        const { position } = await appended(aCommand(), write(aggregate, renamed('two'), revisions[0]));
        expect(await store.append(context, [write(aggregate, renamed('one'))])).toEqual({
          outcome: 'conflict',
          aggregate,
          current: position,
        });
        expect((await store.read(aggregate)).map(({ commandId }) => commandId)).toContain(context.commandId);
      });

      it.each([
        ['without facts', [write(anAggregate(), [])]],
        ['of nothing', []],
        ['of more than 100 facts', [write(anAggregate(), renamed(...Array.from({ length: 101 }, String)))]],
        ['of a fact that no catalogue has', [write(anAggregate(), [{ type: 'apikey.eaten.v1', data: {} }])]],
        ['of a fact that is not what its type says', [write(anAggregate(), [{ type: 'apikey.renamed.v1', data: { name: 7 } }])]],
        ['of a fact too large to be stored', [write(anAggregate(), renamed('x'.repeat(60_000)))]],
      ])('%s is refused before anything is stored', async (_, writes) => {
        await expect(store.append(aCommand(), writes)).rejects.toThrow();
        for (const { aggregate } of writes) expect(await store.read(aggregate)).toEqual([]);
      });
    });

    describe('an append over several aggregates', () => {
      it('is stored whole, in the order of its writes', async () => {
        const [one, two] = [anAggregate(), anAggregate()];
        const { position, revisions } = await appended(aCommand(), write(one, renamed('a', 'b')), write(two, renamed('c')));
        const events = [...(await store.read(one)), ...(await store.read(two))];
        expect(events.map((event) => event.position)).toEqual([position - 2, position - 1, position]);
        expect(revisions).toEqual([revisionOf(events[1]!), revisionOf(events[2]!)]);
      });

      it('stores nothing at all when one of them has moved on, and can be decided again', async () => {
        const [fresh, moved] = [anAggregate(), anAggregate()];
        const { position, revisions } = await appended(aCommand(), write(moved, renamed('first')));
        const context = aCommand();
        const writes = [write(fresh, renamed('x', 'y')), write(moved, renamed('z'))];
        expect(await store.append(context, writes)).toEqual({ outcome: 'conflict', aggregate: moved, current: position });
        expect(await store.read(fresh)).toEqual([]);
        expect(names(await store.read(moved))).toEqual(['first']);
        await appended(context, write(fresh, renamed('x', 'y')), write(moved, renamed('z'), revisions[0]));
        expect(names(await store.read(fresh))).toEqual(['x', 'y']);
        expect(names(await store.read(moved))).toEqual(['first', 'z']);
      });
    });

    describe('concurrent appends', () => {
      it('on distinct aggregates all succeed, with the positions and revisions that are then read', async () => {
        const aggregates = Array.from({ length: 60 }, anAggregate);
        const results = await Promise.all(
          aggregates.map((aggregate, i) => appended(aCommand(), write(aggregate, renamed(...Array.from({ length: 1 + (i % 3) }, String))))),
        );
        for (const [index, aggregate] of aggregates.entries()) {
          const events = await store.read(aggregate);
          expect(results[index]!.revisions).toEqual([revisionOf(events.at(-1)!)]);
          expect(results[index]!.position).toBe(events.at(-1)!.position);
        }
        expect(new Set(results.map(({ position }) => position)).size).toBe(60);
      });

      it('are stored beside one that has come too late', async () => {
        const late = anAggregate();
        await appended(aCommand(), write(late, renamed('first')));
        const aggregates = Array.from({ length: 20 }, anAggregate);
        const results = await Promise.all([
          ...aggregates.slice(0, 10).map((aggregate) => store.append(aCommand(), [write(aggregate, renamed('a', 'b'))])),
          store.append(aCommand(), [write(late, renamed('late'))]),
          ...aggregates.slice(10).map((aggregate) => store.append(aCommand(), [write(aggregate, renamed('c'))])),
        ]);
        expect(results.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 21 }, (_, i) => (i === 10 ? 'conflict' : 'appended')));
        for (const [index, aggregate] of aggregates.entries()) {
          const { revisions } = results[index < 10 ? index : index + 1] as Extract<AppendResult, { outcome: 'appended' }>;
          expect(revisions).toEqual([revisionOf((await store.read(aggregate)).at(-1)!)]);
        }
        expect(names(await store.read(late))).toEqual(['first']);
      });

      it('of 50 writers on one aggregate: exactly one wins each version', async () => {
        const aggregate = anAggregate();
        const winners: string[] = [];
        for (let round = 1; round <= 3; round += 1) {
          const expected = (await store.read(aggregate)).map(revisionOf).at(-1);
          const results = await Promise.all(
            Array.from({ length: 50 }, (_, i) =>
              (i % 2 ? store : log.another).append(aCommand(), [write(aggregate, renamed(`${round}/${i}`), expected)]),
            ),
          );
          const won = results.flatMap(({ outcome }, i) => (outcome === 'appended' ? [i] : []));
          expect(won).toHaveLength(1);
          expect(results.filter(({ outcome }) => outcome === 'conflict')).toHaveLength(49);
          winners.push(`${round}/${won[0]}`);
        }
        const events = await store.read(aggregate);
        expect(names(events)).toEqual(winners);
        expect(events.map(({ version }) => version)).toEqual([1, 2, 3]);
      });

      it('of 50 claimers of one name: exactly one gets it', async () => {
        const name = aggregateRef('username', newId('usr'));
        const results = await Promise.all(
          Array.from({ length: 50 }, (_, i) => {
            const fact = { type: 'username.reserved.v1', data: { userId: newId('usr') } };
            return (i % 2 ? store : log.another).append(aCommand(), [write(anAggregate(), renamed('mine')), write(name, [fact])]);
          }),
        );
        expect(results.filter(({ outcome }) => outcome === 'appended')).toHaveLength(1);
        expect(results.filter(({ outcome }) => outcome === 'conflict')).toHaveLength(49);
        expect(await store.read(name)).toHaveLength(1);
      });
    });

    describe('reading an aggregate', () => {
      it('begins behind a revision', async () => {
        const aggregate = anAggregate();
        const { revisions } = await appended(aCommand(), write(aggregate, renamed('a', 'b')));
        await appended(aCommand(), write(aggregate, renamed('c'), revisions[0]));
        expect(names(await store.read(aggregate, { after: revisions[0] }))).toEqual(['c']);
      });

      it('gives what another process has just written', async () => {
        const aggregate = anAggregate();
        let expected = nothing;
        for (let i = 0; i < 20; i += 1) {
          const result = await store.append(aCommand(), [write(aggregate, renamed(String(i)), expected)]);
          expected = (result as Extract<AppendResult, { outcome: 'appended' }>).revisions[0]!;
          expect((await log.another.read(aggregate)).at(-1)!.version).toBe(i + 1);
        }
      });

      it('does not end where a page ends', async () => {
        const aggregate = anAggregate();
        let expected = nothing;
        for (const size of [...Array.from({ length: 20 }, () => 100), 48, 1]) {
          expected = (await appended(aCommand(), write(aggregate, renamed(...Array.from({ length: size }, String)), expected)))
            .revisions[0]!;
          if (expected.version >= 2048) expect(await store.read(aggregate)).toHaveLength(expected.version);
        }
      });

      it('is unavailable rather than short of a position that is known to be there', async () => {
        const aggregate = anAggregate();
        const { position } = await appended(aCommand(), write(aggregate, renamed('a')));
        expect(await store.read(aggregate, { atLeast: position })).toHaveLength(1);
        await expect(store.read(aggregate, { atLeast: position + 1 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      });
    });

    describe('a log that others have written to', () => {
      const raw = async (aggregate: AggregateRef, change: Record<string, string>, body: string | Buffer = '{"name":"raw"}') => {
        const [wire] = toWire(aCommand(), write(aggregate, renamed('raw'), (await store.read(aggregate)).map(revisionOf).at(-1)));
        return log.publishRaw?.(wire!.subject, new Map([...wire!.headers, ...Object.entries(change)]), Buffer.from(body as string));
      };

      it('gives events that this version does not know, as they are', async () => {
        const aggregate = anAggregate();
        await appended(aCommand(), write(aggregate, renamed('a')));
        if (!(await raw(aggregate, { 'ce-type': 'dev.sandlot.apikey.polished.v7' }, '{"shine":1}'))) return;
        const events = await store.read(aggregate);
        expect(events[1]).toMatchObject({
          known: false,
          type: 'apikey.polished.v7',
          fact: { type: 'apikey.polished.v7', data: { shine: 1 } },
        });
        await appended(aCommand(), write(aggregate, renamed('b'), revisionOf(events[1]!)));
      });

      it.each([
        ['a version is missing', { 'ce-version': '3' }, undefined],
        ['a version comes twice', { 'ce-version': '1' }, undefined],
        ['a hash does not fit', { 'ce-previoushash': 'A'.repeat(43) }, undefined],
        ['a header is missing', { 'ce-authid': '' }, undefined],
        ['a body is not JSON', {}, '{"name":'],
        ['a body is not UTF-8', {}, Buffer.from([0x22, 0xff, 0x22])],
        ['a body is not what its type says', {}, '{"name":7}'],
      ])('is found to be damaged when %s', async (_, change, body) => {
        const aggregate = anAggregate();
        const { revisions } = await appended(aCommand(), write(aggregate, renamed('a')));
        if (!(await raw(aggregate, change as Record<string, string>, body))) return;
        await expect(store.read(aggregate)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
        await expect(store.read(aggregate, { after: revisions[0] })).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
      });
    });
  });
}
