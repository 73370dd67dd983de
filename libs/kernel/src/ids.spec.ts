import { deriveId, isId, millisecondsOf, newId, type CommandId } from './index.js';

describe('an id', () => {
  it('says what it names and sorts by its millisecond', () => {
    const ids = [1, 2, 1_700_000_000_000, 1_700_000_000_001, 281_474_976_710_655].map((ms) => newId('sbx', new Date(ms)));
    expect(ids.every((id) => isId('sbx', id))).toBe(true);
    expect([...ids].sort()).toEqual(ids);
    expect(isId('usr', ids[0]!)).toBe(false);
  });

  it('gives its millisecond back', () => {
    expect(millisecondsOf(newId('evt', new Date(1_763_000_000_123)))).toBe(1_763_000_000_123);
  });

  it('is derived from a command the same way every time, and differently for every thing', () => {
    const command: CommandId = newId('cmd');
    expect(deriveId('usr', command, 'user')).toBe(deriveId('usr', command, 'user'));
    expect(deriveId('usr', command, 'user')).not.toBe(deriveId('usr', command, 'other'));
    expect(millisecondsOf(deriveId('usr', command, 'user'))).toBe(millisecondsOf(command));
    expect(isId('usr', deriveId('usr', command, 'user'))).toBe(true);
  });
});
