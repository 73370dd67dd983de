import { randomBytes } from 'node:crypto';
import { Sealed } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { waitFor } from '@sandlot/testing';
import { masterKey } from './master-key.js';
import { PersonalData } from './personal-data.js';
import type { SubjectKeys } from './subject-keys.js';

/** What the vault must do on every place for keys. `open` gives one more door to the same place at each call. */
export function testPersonalData(name: string, open: () => Promise<SubjectKeys>): void {
  describe(`personal data, keys ${name}`, () => {
    const master = masterKey(randomBytes(32));
    let keys: SubjectKeys;
    let vault: PersonalData;
    let elsewhere: PersonalData;
    let userId: string;

    beforeAll(async () => {
      keys = await open();
      vault = new PersonalData(keys, [master]);
      elsewhere = new PersonalData(await open(), [master], { keyTtlMs: 50 });
    }, 60_000);
    beforeEach(() => (userId = newId('usr')));

    it('opens in every process, as it was sealed', async () => {
      for (const text of ['zoë@example.com', '', 'x'.repeat(10_000)]) {
        const sealed = await vault.seal(userId, 'email', text);
        expect(Sealed.parse(sealed)).toBe(sealed);
        expect(await vault.open(userId, 'email', sealed)).toBe(text);
        expect(await elsewhere.open(userId, 'email', sealed)).toBe(text);
      }
    });

    it('is sealed to the same bytes again, and to others for another user, field or text', async () => {
      const sealed = await vault.seal(userId, 'email', 'a@example.com');
      expect(await elsewhere.seal(userId, 'email', 'a@example.com')).toBe(sealed);
      const others = [
        await vault.seal(userId, 'displayName', 'a@example.com'),
        await vault.seal(userId, 'email', 'b@example.com'),
        await vault.seal(newId('usr'), 'email', 'a@example.com'),
      ];
      expect(new Set([sealed, ...others].map((each) => each.slice(0, 19))).size).toBe(4); // the nonces already
      expect(sealed).not.toContain(Buffer.from('a@example').toString('base64url'));
    });

    it('opens for no other user or field, nor when a bit of it was changed', async () => {
      const sealed = await vault.seal(userId, 'email', 'a@example.com');
      const other = newId('usr');
      await vault.seal(other, 'email', 'b@example.com');
      await expect(vault.open(other, 'email', sealed)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
      await expect(vault.open(userId, 'displayName', sealed)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
      const bytes = Buffer.from(sealed.slice(3), 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const changed = Buffer.from(bytes);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        await expect(vault.open(userId, 'email', `s1.${changed.toString('base64url')}`)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
      }
      for (const foreign of ['s1.', 's1.AAAA', sealed.slice(0, -4), `s2.${sealed.slice(3)}`, 'a@example.com'])
        await expect(vault.open(userId, 'email', foreign)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
    });

    it('has one key per user when two processes seal first at once', async () => {
      const text = (i: number) => `${i}@example.com`;
      const sealed = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? vault : elsewhere).seal(userId, 'email', text(i))));
      for (const [i, each] of sealed.entries()) expect(await (i % 2 ? elsewhere : vault).open(userId, 'email', each)).toBe(text(i));
    });

    it('can never be opened again once the user is forgotten, nor anything be sealed', async () => {
      const sealed = await vault.seal(userId, 'email', 'a@example.com');
      expect(await elsewhere.open(userId, 'email', sealed)).toBe('a@example.com');
      for (const _ of [1, 2]) await vault.forget(userId);
      expect(await vault.open(userId, 'email', sealed)).toBeUndefined();
      await waitFor(async () => (await elsewhere.open(userId, 'email', sealed)) === undefined, { within: 5_000 });
      const newcomer = new PersonalData(await open(), [master]);
      for (const process of [vault, elsewhere, newcomer]) {
        expect(await process.open(userId, 'email', sealed)).toBeUndefined();
        await expect(process.seal(userId, 'email', 'new@example.com')).rejects.toMatchObject({ code: 'USER_DELETED' });
      }
      expect(await keys.put(userId, Buffer.from('{}'), 0)).toBe(false);
    });

    it('of a user that never had any can be forgotten too', async () => {
      await vault.forget(userId);
      await expect(elsewhere.seal(userId, 'email', 'a@example.com')).rejects.toMatchObject({ code: 'USER_DELETED' });
    });

    it('whose key is missing without having been destroyed is reported as damage', async () => {
      const sealed = await vault.seal(newId('usr'), 'email', 'a@example.com');
      await expect(vault.open(userId, 'email', sealed)).rejects.toMatchObject({ code: 'LOG_DAMAGED' });
    });

    it('survives a change of the master key, after which the old one may go', async () => {
      const newer = masterKey(randomBytes(32));
      const [forgotten, other] = [newId('usr'), newId('usr')];
      const sealed = await vault.seal(userId, 'email', 'a@example.com');
      await vault.seal(forgotten, 'email', 'b@example.com');
      await vault.forget(forgotten);
      const both = new PersonalData(keys, [newer, master]);
      expect(await both.open(userId, 'email', sealed)).toBe('a@example.com');
      const alone = new PersonalData(keys, [newer]);
      await expect(alone.open(userId, 'email', sealed)).rejects.toThrow(master.id);
      expect(await both.rewrap()).toMatchObject({ masterKey: newer.id, next: null });
      expect(await both.rewrap()).toMatchObject({ rewrapped: 0 });
      expect(await alone.open(userId, 'email', sealed)).toBe('a@example.com');
      await expect(alone.seal(forgotten, 'email', 'b@example.com')).rejects.toMatchObject({ code: 'USER_DELETED' });
      await alone.seal(other, 'email', 'c@example.com');
      await new PersonalData(keys, [master, newer]).rewrap(); // as the other tests expect it
    });

    it('is put under a new master key some users at a time, which can be broken off and goes on where it was', async () => {
      const newer = masterKey(randomBytes(32));
      const sealed = new Map<string, string>();
      for (const id of Array.from({ length: 5 }, () => newId('usr'))) sealed.set(id, await vault.seal(id, 'email', `${id}@example.com`));
      const both = new PersonalData(keys, [newer, master]);
      let [rewrapped, next]: [number, string | null | undefined] = [0, undefined];
      while (next !== null) {
        const batch = await both.rewrap({ limit: 2, ...(next && { after: next }) });
        expect(batch.looked).toBeLessThanOrEqual(2);
        rewrapped += batch.rewrapped;
        next = batch.next;
      }
      expect(rewrapped).toBeGreaterThanOrEqual(5);
      expect(await both.rewrap()).toMatchObject({ rewrapped: 0 });
      const alone = new PersonalData(keys, [newer]);
      for (const [id, text] of sealed) expect(await alone.open(id, 'email', text)).toBe(`${id}@example.com`);
      await new PersonalData(keys, [master, newer]).rewrap(); // as the other tests expect it
    });

    it('can be read without a gap by a process that knew nothing of the new master key when it started', async () => {
      const newer = masterKey(randomBytes(32));
      let file = [master];
      const started = new PersonalData(keys, file, { keyTtlMs: 1, reload: () => Promise.resolve(file) });
      const sealed = await started.seal(userId, 'email', 'a@example.com');
      file = [newer, master];
      await new PersonalData(keys, file).rewrap();
      await waitFor(async () => (await started.open(userId, 'email', sealed)) === 'a@example.com');
      file = [newer];
      await started.rewrap();
      expect(await started.open(userId, 'email', sealed)).toBe('a@example.com');
      await new PersonalData(keys, [master, newer]).rewrap(); // as the other tests expect it
    });

    it('is unavailable, and not lost, as long as the master key is not here', async () => {
      const sealed = await vault.seal(userId, 'email', 'a@example.com');
      const stranger = new PersonalData(keys, [masterKey(randomBytes(32))]);
      await expect(stranger.open(userId, 'email', sealed)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    });

    it('keeps no key in the clear', async () => {
      await vault.seal(userId, 'email', 'a@example.com');
      const kept = await keys.get(userId);
      expect(kept?.status).toBe('kept');
      const value = JSON.parse(Buffer.from((kept as { value: Uint8Array }).value).toString());
      expect(value).toEqual({ master: master.id, key: expect.stringMatching(/^[\w-]{80}$/) }); // nonce, 32 bytes, tag
      const stranger = new PersonalData(keys, [{ ...masterKey(randomBytes(32)), id: master.id }]);
      await expect(stranger.seal(userId, 'email', 'a@example.com')).rejects.toThrow();
    });
  });
}
