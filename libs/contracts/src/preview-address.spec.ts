import fc from 'fast-check';
import { previewLabel, previewOrigin, readPreviewLabel } from './preview-address.js';
import { SandboxName, Username } from './names.js';

describe('a preview address', () => {
  it.each([
    [{ port: 8888, sandbox: 's1', username: 'alice' }, '8888-s1-alice'],
    [{ port: 80, sandbox: 'my-app', username: 'alice-b' }, '80-my--app-alice--b'],
    [{ port: 80, sandbox: 'a--b', username: 'c0' }, '80-a----b-c0'],
  ])('of %j is %s', (address, label) => {
    expect(previewLabel(address)).toBe(label);
    expect(readPreviewLabel(label)).toEqual(address);
  });

  it('is never that of another sandbox, whatever they are called', () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/);
    const address = fc.record({ port: fc.integer({ min: 1, max: 65_535 }), sandbox: word, username: word });
    fc.assert(
      fc.property(address, address, (one, other) => {
        const [first, second] = [previewLabel(one)!, previewLabel(other)!];
        expect(readPreviewLabel(first)).toEqual(one);
        expect(first === second).toBe(JSON.stringify(one) === JSON.stringify(other));
        expect([SandboxName.safeParse(one.sandbox).success, first.startsWith('xn--')]).toEqual([true, false]);
      }),
    );
  });

  it('is read back to itself or not at all', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9]{1,3}[a-z0-9-]{0,14}$/), (label) => {
        const read = readPreviewLabel(label);
        if (read) expect(previewLabel(read)).toBe(label);
      }),
    );
  });

  it.each([
    '', 's1-alice', '8888-s1', '8888-s1-', '8888--s1-alice', '8888-s1-alice-x', '8888-s1---alice', '8888-s1--alice', '0-s1-alice',
    '08888-s1-alice', '65536-s1-alice', '8888-S1-alice', '8888-1s-alice', '8888-s1-alice.', '8888-s1-al_ice', 'http-s1-alice', '8888-s1--',
  ])('is not %j', (label) => expect(readPreviewLabel(label)).toBeUndefined()); // prettier-ignore

  it('does not exist where it would be longer than a DNS label', () => {
    expect(previewLabel({ port: 8888, sandbox: 'a'.repeat(40), username: 'b'.repeat(18) })).toBeUndefined();
    expect(previewLabel({ port: 8888, sandbox: 'a'.repeat(40), username: 'b'.repeat(17) })).toHaveLength(63);
    expect(Username.safeParse('alice-b').success).toBe(true);
  });

  it('has TLS everywhere but on the machine itself', () => {
    expect(previewOrigin('x', 'previews.example:8443')).toBe('https://x.previews.example:8443');
    expect(previewOrigin('x', 'previews.localhost:8080')).toBe('http://x.previews.localhost:8080');
    expect(previewOrigin('x', 'notlocalhost')).toBe('https://x.notlocalhost');
  });
});
