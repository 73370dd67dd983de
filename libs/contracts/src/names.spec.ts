import { idPattern } from '@sandlot/kernel';
import { reservedUsernames, SandboxName, UserIdSchema, Username } from './names.js';

const accepted = (schema: typeof Username | typeof SandboxName, name: string): boolean => schema.safeParse(name).success;

describe('a username', () => {
  it.each(['al', 'alice', 'a1', 'a-b', 'a--b', 'x'.repeat(40), 'admin'])('may be %s', (name) => {
    expect(Username.parse(name)).toBe(name);
  });

  it.each([
    ['is too short', 'a'],
    ['is empty', ''],
    ['is too long', 'x'.repeat(41)],
    ['begins with a digit', '1alice'],
    ['begins with a hyphen', '-alice'],
    ['ends with a hyphen', 'alice-'],
    ['ends with a dot', 'alice.'],
    ['ends with a space', 'alice '],
    ['ends with a line break', 'alice\n'],
    ['begins with a space', ' alice'],
    ['has upper case', 'Alice'],
    ['has a dotted capital İ', 'alİce'],
    ['has a dotless ı', 'alıce'],
    ['has a Cyrillic а', 'аlice'],
    ['has a fullwidth letter', 'ａlice'],
    ['has a ligature', 'aﬁce'],
    ['has a zero-width space', 'ali\u200bce'],
    ['has a zero-width joiner', 'ali\u200dce'],
    ['has a soft hyphen', 'ali\u00adce'],
    ['has a combining accent', 'alice\u0301'],
    ['has a direction mark', 'alice\u202e'],
    ['has NUL', 'ali\0ce'],
    ['has a slash', 'ali/ce'],
    ['has a percent sign', 'ali%2fce'],
    ['has an underscore', 'ali_ce'],
    ['is punycode', 'xn--alice'],
    ['looks like Kubernetes', 'kube-alice'],
  ])('is refused, not normalised, when it %s', (_, name) => {
    expect(accepted(Username, name)).toBe(false);
  });

  it.each([...reservedUsernames])('is not %s, which is reserved', (name) => {
    expect(accepted(Username, name)).toBe(false);
  });
});

describe('the name of a sandbox', () => {
  it.each(['a', 's1', 'my-sandbox', 'x'.repeat(40)])('may be %s', (name) => {
    expect(SandboxName.parse(name)).toBe(name);
  });

  it.each(['', '1s', '-s', 's-', 's.', 's ', 'S1', 's_1', 's\u200b', 'sİ', 's/1', 's\n', 'x'.repeat(41)])('is not %j', (name) => {
    expect(accepted(SandboxName, name)).toBe(false);
  });
});

describe('an id', () => {
  it('is of its kind and in lower case', () => {
    const id = 'usr_01k9zq4m3te1sbr8v0yk2n6d5x';
    expect(UserIdSchema.parse(id)).toBe(id);
    for (const other of [
      id.toUpperCase(),
      id.replace('usr', 'key'),
      `${id}0`,
      id.slice(0, -1),
      `${id}\n`,
      id.replace('x', 'u'),
      id.replace('01', '91'),
    ])
      expect(UserIdSchema.safeParse(other).success).toBe(false);
    expect(idPattern('usr').test(id)).toBe(true);
  });
});
