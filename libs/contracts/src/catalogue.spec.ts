import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fact } from '@sandlot/kernel';
import { catalogue, isNewerVersion, readFact, upcasters } from './catalogue.js';
import { eventReference } from './event-reference.js';
import { aggregates } from './subjects.js';

const fixtures = join(import.meta.dirname, 'fixtures');
const stored = readdirSync(fixtures).map((file) => file.replace(/\.json$/, ''));
const examplesOf = (type: string) => JSON.parse(readFileSync(join(fixtures, `${type}.json`), 'utf8')) as Fact[];

// A fixture is what some log somewhere holds: it is never changed, and goes only when the project drops that version for good.
describe('the stored events', () => {
  it('cover every event that can be read, and nothing else', () => {
    expect(stored.sort()).toEqual([...catalogue.keys(), ...Object.keys(upcasters)].sort());
  });

  it.each(stored)('%s can still be read', (type) => {
    const examples = examplesOf(type);
    expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      expect(example.type).toBe(type);
      const fact = readFact(type, example.data);
      if (type in upcasters) expect(catalogue.has(fact!.type)).toBe(true);
      else expect(fact).toEqual(example); // nothing lost, nothing made up
    }
  });
});

describe('the catalogue', () => {
  it('leaves alone what it does not know', () => {
    expect(readFact('user.promoted.v9', { anything: true })).toBeUndefined();
  });

  it('refuses what is not what its type says', () => {
    expect(() => readFact('user.role-changed.v1', { role: 'king' })).toThrow();
    expect(() =>
      readFact('user.created.v1', { username: 'alice', role: 'user', personal: { email: 'alice@example.com', displayName: null } }),
    ).toThrow('must be sealed');
  });

  it('tells an event in a newer shape from one of a kind that it does not know', () => {
    expect(
      ['user.created.v2', 'user.created.v10', 'user.created.v1', 'user.created.v0', 'user.promoted.v9', 'user.created'].map(isNewerVersion),
    ).toEqual([true, true, false, false, false, false]);
  });

  it('names every type after an aggregate that somebody owns', () => {
    const owned = [...Object.keys(aggregates), 'projection', 'consumer'];
    for (const type of catalogue.keys()) {
      expect(type).toMatch(/^[a-z]+\.[a-z]+(-[a-z]+)*\.v[1-9][0-9]*$/);
      expect(owned).toContain(type.slice(0, type.indexOf('.')));
    }
  });

  it('has no event that is written and upcast at once', () => {
    for (const type of Object.keys(upcasters)) expect(catalogue.has(type)).toBe(false);
  });

  it('is what docs/reference/events.md says; if not, npm run generate:events', () => {
    const file = join(import.meta.dirname, '..', '..', '..', 'docs', 'reference', 'events.md');
    expect(readFileSync(file, 'utf8')).toBe(eventReference());
  });
});
