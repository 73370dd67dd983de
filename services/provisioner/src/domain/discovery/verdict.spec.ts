import { aForeignSandbox } from './foreign-sandbox.fixture.js';
import { addressOf, objectionTo, type ForeignSandbox } from './foreign-sandbox.js';
import { verdictOn } from './verdict.js';

const closed = { shared: false };
const reasonOf = (changes: Partial<ForeignSandbox>) => objectionTo(aForeignSandbox(changes))?.reason;

describe('the address of a Sandbox that somebody else made', () => {
  it('S1-05 is that of the user whom its label names, or default', () => {
    expect(addressOf(aForeignSandbox())).toBe('alice_s1');
    expect(addressOf(aForeignSandbox({ user: undefined }))).toBe('default_s1');
    expect(addressOf(aForeignSandbox({ user: 'default' }))).toBe('default_s1');
  });

  it('S1-10 is none where no path can name it', () => {
    for (const name of ['9lives', 'a.b', 'a'.repeat(64), 'trailing-']) expect(addressOf(aForeignSandbox({ name }))).toBeUndefined();
    for (const user of ['', 'Alice', 'a.b', 'api', 'kube-system', 'a_b']) expect(addressOf(aForeignSandbox({ user }))).toBeUndefined();
  });
});

describe('a Sandbox that somebody else made is not routed', () => {
  it('S1-10 when no path can name it, or its label is no username', () => {
    expect(reasonOf({ name: 'a.b' })).toBe('NAME_NOT_ADDRESSABLE');
    for (const user of ['api', 'Alice', '']) expect(reasonOf({ user })).toBe('USER_NOT_VALID');
  });

  it("when it is in a user's namespace and names anybody else, or nobody", () => {
    const inBobs = { namespace: 'user-bob', tenant: 'bob' };
    expect(reasonOf({ ...inBobs, user: 'alice' })).toBe('NAMESPACE_OF_ANOTHER');
    expect(reasonOf({ ...inBobs, user: undefined })).toBe('NAMESPACE_OF_ANOTHER');
    expect(reasonOf({ ...inBobs, user: 'bob' })).toBeUndefined();
  });

  it("when its pod has its node's address", () => expect(reasonOf({ onHostNetwork: true })).toBe('HOST_NETWORK'));

  it('when the user has an own sandbox there, whoever was first', () => {
    expect(verdictOn([aForeignSandbox()], true, closed)).toMatchObject({ objection: { reason: 'NAME_TAKEN' } });
  });

  it('when there is another one of its user and name in another namespace, and neither is that one', () => {
    const verdict = verdictOn([aForeignSandbox({ namespace: 'b' }), aForeignSandbox({ namespace: 'a' })], false, closed);
    expect(verdict).toMatchObject({ objection: { reason: 'NAME_CLASH', message: expect.stringContaining('in a and b') } });
  });
});

describe('a Sandbox that somebody else made is routed', () => {
  it('S1-02 S1-05 to its user alone, as its pod has it', () => {
    expect(verdictOn([aForeignSandbox()], false, { shared: true })).toEqual({
      route: {
        uid: 'uid-research-s1',
        namespace: 'research',
        username: 'alice',
        name: 's1',
        state: 'running',
        ports: [{ port: 8888, address: '10.1.2.3:8888' }],
        shared: false,
      },
    });
  });

  it('S1-05 without the label to administrators, and to everybody where the operator says so', () => {
    const one = aForeignSandbox({ user: undefined });
    expect(verdictOn([one], false, closed)).toMatchObject({ route: { username: 'default', shared: false } });
    expect(verdictOn([one], false, { shared: true })).toMatchObject({ route: { username: 'default', shared: true } });
  });

  it("whatever stands in users' namespaces under its label: that is in nobody's way", () => {
    const spoofed = aForeignSandbox({ namespace: 'user-bob', tenant: 'bob' });
    expect(verdictOn([spoofed, aForeignSandbox()], false, closed)).toMatchObject({ route: { namespace: 'research' } });
    expect(verdictOn([spoofed], false, closed)).toMatchObject({ objection: { reason: 'NAMESPACE_OF_ANOTHER' } });
  });
});

it('where there is no object, nothing is routed', () => expect(verdictOn([], false, closed)).toBe('nothing'));
