import fc from 'fast-check';
import { RecordStore } from './record-store.js';

interface Note {
  text: string;
}

const storeOf = (options: Partial<ConstructorParameters<typeof RecordStore>[0]> = {}) =>
  new RecordStore<Note>({ maxRecords: 8, maxParsed: 2, slabBytes: 64, ...options });
const note = (text: string): Note => ({ text });

describe('the store of records', () => {
  it('knows a record, that there is none, and nothing of the rest', () => {
    const store = storeOf();
    store.set('a', note('Grüße'), 3);
    store.set('b', undefined, 4);
    expect([store.find('a')?.value, store.find('b'), store.find('c')]).toEqual([note('Grüße'), { value: undefined, place: 1 }, undefined]);
    expect([store.peek('a'), store.peek('b'), store.peek('c')]).toEqual([note('Grüße'), undefined, undefined]);
    expect(['a', 'b', 'c'].map((name) => store.revisionOf(name))).toEqual([3, 4, 0]);
  });

  it('parses a record that is in use once, and hands out the new one after a change', () => {
    const store = storeOf();
    store.set('a', note('1'), 1);
    const first = store.find('a')!.value;
    expect(store.find('a')!.value).toBe(first);
    expect(store.peek('a')).toBe(first);
    store.set('a', note('2'), 2);
    expect(store.find('a')!.value).toEqual(note('2'));
  });

  it('tells names of one hash apart', () => {
    const store = storeOf();
    store.set('plumless', note('1'), 1);
    expect(store.find('buckeroo')).toBeUndefined();
    store.set('buckeroo', note('2'), 2);
    expect([store.peek('plumless'), store.peek('buckeroo')]).toEqual([note('1'), note('2')]);
  });

  it('lets the oldest go that nobody has asked for, whether it is parsed or not; looking does not count', () => {
    const store = storeOf({ maxRecords: 4, maxParsed: 1 });
    for (const name of ['a', 'b', 'c', 'd']) store.set(name, note(name), 1);
    store.find('a');
    store.find('c');
    store.peek('b');
    store.set('e', note('e'), 1);
    store.set('f', note('f'), 1);
    expect(['a', 'b', 'c', 'd', 'e', 'f'].filter((name) => store.peek(name))).toEqual(['a', 'c', 'e', 'f']);
    expect(store.find('b')).toBeUndefined();
  });

  it('gives the memory of what was replaced back, and goes around a few records that stay', () => {
    const store = storeOf({ maxRecords: 100 });
    for (let i = 0; i < 10_000; i++) {
      store.set('changes', note(`${i}`), i);
      if (i % 1000 === 0) store.set(`stays${i}`, note('x'), i);
    }
    expect(store.peek('changes')).toEqual(note('9999'));
    expect(store.size).toBe(11);
    expect(store.bytes).toBeLessThan(20 * 64);
  });

  it('knows what a Map knows, or nothing of what had to go, whatever is put and asked for', () => {
    const name = fc.constantFrom('plumless', 'buckeroo', 'ü', 'n.a', ...'abcdefghijkl');
    // Of nothing, of some that share a slab, and of more than a slab.
    const value = fc.option(
      fc.integer({ min: 0, max: 200 }).map((length) => note('é'.repeat(length))),
      { nil: undefined },
    );
    const step = fc.oneof(fc.record({ name, value }), fc.record({ name }));
    const options = fc.record({ maxRecords: fc.integer({ min: 1, max: 20 }), maxParsed: fc.integer({ min: 1, max: 3 }) });
    fc.assert(
      fc.property(options, fc.array(step, { maxLength: 200 }), (sizes, steps) => {
        const store = storeOf(sizes);
        const model = new Map<string, { value: Note | undefined; revision: number }>();
        for (const [i, next] of steps.entries()) {
          if ('value' in next) {
            store.set(next.name, next.value, i + 1);
            model.set(next.name, { value: next.value, revision: i + 1 });
            expect(store.revisionOf(next.name)).toBe(i + 1);
          }
          const known = store.find(next.name);
          const expected = model.get(next.name);
          if (known) expect({ value: known.value, revision: store.revisionOf(next.name) }).toEqual(expected);
          else if (expected) expect(model.size).toBeGreaterThan(sizes.maxRecords);
        }
        const kept = [...model].filter(([each]) => store.revisionOf(each) > 0);
        expect(kept).toHaveLength(Math.min(model.size, sizes.maxRecords));
        for (const [each, { value: latest, revision }] of kept)
          expect([store.peek(each), store.revisionOf(each)]).toEqual([latest, revision]);
        expect(store.size).toBe(kept.length);
        const live = kept.reduce(
          (sum, [each, { value: latest }]) => sum + Buffer.byteLength(each + (latest ? JSON.stringify(latest) : '')),
          0,
        );
        expect(store.bytes).toBeLessThanOrEqual(4 * live + 3 * 64);
      }),
      { numRuns: 500 },
    );
  });
});
