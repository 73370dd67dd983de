import {
  aggregateRef,
  keyRecordKey,
  userRecordKey,
  usernameRecordKey,
  type KeyRecord,
  type UsernameRecord,
  type UserRecord,
} from '@sandlot/contracts';
import { Commands, masterKey, MemoryEventStore, MemorySubjectKeys, nothing, PersonalData, serviceContext } from '@sandlot/event-store';
import { DomainError, formatApiKey, hashApiKey, newId } from '@sandlot/kernel';
import { MemoryTable } from '@sandlot/service-kit';
import { runTwice, tempDir } from '@sandlot/testing';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SealedPersonal } from './adapters/sealed-personal.js';
import { ApiKeys } from './api-keys.js';
import { BootstrapAdmin } from './bootstrap-admin.js';
import { usernameDecider } from './domain/username/username.js';
import { KeyDirectoryReconciler } from './reconcile/key-directory.reconciler.js';
import { Users } from './users.js';

function auth() {
  const store = new MemoryEventStore();
  const commands = new Commands(store);
  const vault = new SealedPersonal(new PersonalData(new MemorySubjectKeys(), [masterKey(randomBytes(32))]));
  const users = new Users(commands, vault);
  const keys = new ApiKeys(commands);
  const keyRecords = new MemoryTable<KeyRecord>();
  const userRecords = new MemoryTable<UserRecord>();
  const usernameRecords = new MemoryTable<UsernameRecord>();
  const directory = new KeyDirectoryReconciler(commands, keyRecords, userRecords, usernameRecords);
  const context = () => serviceContext('test', nothing);
  const create = (username: string) => users.create({ context: context(), username, role: 'user', email: `${username}@example.com` });
  const log = () => JSON.stringify(store.all());
  return { store, commands, vault, users, keys, keyRecords, userRecords, usernameRecords, directory, context, create, log };
}

describe('users', () => {
  it("S1-27 have limits of their own, which stand in the users' records that the proxies watch", async () => {
    const { create, users, context, directory, userRecords } = auth();
    const { user } = await create('alice');
    expect(await users.limits(user.id)).toEqual({ userId: user.id, limits: {}, version: 1 });
    const limits = { requestsPerSecond: 50 };
    const request = { context: context(), userId: user.id, expectedVersion: 1, limits };
    const set = await users.setLimits(request);
    expect(set.limits).toEqual({ userId: user.id, limits, version: 2 });
    expect(await users.setLimits(request)).toEqual(set);
    await runTwice((id: typeof user.id) => directory.reconcile(id), user.id);
    expect((await userRecords.find(userRecordKey(user.id)))!.value).toMatchObject({ username: 'alice', limits });
    await expect(users.setLimits({ ...request, context: context() })).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
  });

  it('S0-14 are created with the name, once', async () => {
    const { create, users, context } = auth();
    const { user } = await create('alice');
    expect(user).toMatchObject({ username: 'alice', role: 'user', status: 'active', email: 'alice@example.com', version: 1 });
    expect(await users.get(user.id)).toEqual(user);
    expect(await users.resolve('alice')).toBe(user.id);
    await expect(users.create({ context: context(), username: 'alice', role: 'user' })).rejects.toMatchObject({ code: 'USERNAME_TAKEN' });
  });

  it.each(['', 'ä', 'a b', 'al.ice', '*', '>', 'a\0', 'a'.repeat(200)])(
    'are not found by a name that nobody can have: %j',
    async (username) => {
      await expect(auth().users.resolve(username)).rejects.toMatchObject({ code: 'USER_NOT_FOUND' });
    },
  );

  it('give the same answer to the same command', async () => {
    const { users, store, context } = auth();
    const request = { context: context(), username: 'alice', role: 'user' as const, email: 'alice@example.com' };
    const first = await users.create(request);
    expect(await users.create(request)).toEqual(first);
    expect(store.all()).toHaveLength(2);
  });

  it('do not refuse a repeated command for the version that it has made itself', async () => {
    const { create, users, context, store } = auth();
    const { user } = await create('alice');
    const change = { context: context(), userId: user.id, expectedVersion: 1, changes: { role: 'admin' as const } };
    const first = await users.change(change);
    expect(await users.change(change)).toEqual(first);
    const deletion = context();
    await users.delete(deletion, user.id, 2);
    await users.delete(deletion, user.id, 2);
    expect(store.all().map(({ type }) => type)).toEqual([
      'username.reserved.v1',
      'user.created.v1',
      'user.role-changed.v1',
      'user.deleted.v1',
    ]);
  });

  it('S0-18 are deleted, and their name is never given out again', async () => {
    const { create, users, context, commands } = auth();
    const { user } = await create('alice');
    await users.delete(context(), user.id);
    await expect(create('alice')).rejects.toMatchObject({ code: 'USERNAME_TAKEN' });
    expect((await commands.load(usernameDecider, aggregateRef('username', 'alice'))).state).toEqual({
      status: 'reserved',
      userId: user.id,
    });
  });

  it('keep what is personal out of the log, and out of reach for ever once they are forgotten', async () => {
    const { create, users, vault, context, log } = auth();
    const { user } = await create('alice');
    expect(log()).not.toContain('alice@example.com');
    await users.forget(context(), user.id);
    await runTwice((id: typeof user.id) => vault.forget(id), user.id);
    expect(await users.get(user.id)).toMatchObject({ status: 'deleted', email: null, displayName: null });
  });

  it('are changed only at the version that was seen', async () => {
    const { create, users, context } = auth();
    const { user } = await create('alice');
    const changes = { displayName: 'Alice' };
    const { user: changed } = await users.change({ context: context(), userId: user.id, expectedVersion: 1, changes });
    expect(changed).toMatchObject({ displayName: 'Alice', email: 'alice@example.com', version: 2 });
    await expect(users.change({ context: context(), userId: user.id, expectedVersion: 1, changes })).rejects.toMatchObject({
      code: 'VERSION_MISMATCH',
    });
    await expect(users.delete(context(), user.id, 1)).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
  });
});

describe('API keys', () => {
  it('S0-01 S0-03 are shown once and stored as a hash', async () => {
    const { create, keys, context, log } = auth();
    const { user } = await create('alice');
    const { key } = await keys.create({ context: context(), userId: user.id, name: 'laptop' });
    expect(key.key).toMatch(/^slk_/);
    expect(log()).not.toContain(key.key);
    expect(log()).toContain(hashApiKey(key.key));
  });

  it('are made for users that exist', async () => {
    const { create, users, keys, context } = auth();
    await expect(keys.create({ context: context(), userId: newId('usr'), name: 'x' })).rejects.toMatchObject({ code: 'USER_NOT_FOUND' });
    const { user } = await create('alice');
    await users.delete(context(), user.id);
    await expect(keys.create({ context: context(), userId: user.id, name: 'x' })).rejects.toMatchObject({ code: 'USER_DELETED' });
  });

  it("S0-25 are revoked by their owner; somebody else's is as good as none", async () => {
    const { create, keys, context } = auth();
    const { user } = await create('alice');
    const { key } = await keys.create({ context: context(), userId: user.id, name: 'laptop' });
    await expect(keys.revoke({ context: context(), keyId: key.id, userId: newId('usr') })).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' });
    await keys.revoke({ context: context(), keyId: key.id, userId: user.id });
    await expect(keys.rename({ context: context(), keyId: key.id, userId: user.id }, 'other')).rejects.toMatchObject({
      code: 'KEY_REVOKED',
    });
  });
});

describe('the bucket of keys', () => {
  it('says what the log says of each key and each user, and is written once for each change', async () => {
    const { create, users, keys, keyRecords, userRecords, directory, context } = auth();
    const { user } = await create('alice');
    const { key } = await keys.create({ context: context(), userId: user.id, name: 'laptop' });
    const look = async () => [await directory.reconcile(user.id), await directory.reconcile(key.id)];
    expect(await look()).toEqual([{ changed: 'published' }, { changed: 'published' }]);
    expect(await look()).toEqual([{}, {}]);
    expect(keyRecords.records.get(keyRecordKey(hashApiKey(key.key)))?.value).toEqual({
      keyId: key.id,
      userId: user.id,
      status: 'active',
      expiresAt: null,
    });

    await keys.revoke({ context: context(), keyId: key.id });
    await users.change({ context: context(), userId: user.id, changes: { status: 'disabled' } });
    await look();
    expect(keyRecords.records.get(keyRecordKey(hashApiKey(key.key)))?.value.status).toBe('revoked');
    expect(userRecords.records.get(userRecordKey(user.id))?.value).toEqual({
      userId: user.id,
      username: 'alice',
      role: 'user',
      status: 'disabled',
    });
  });

  it('says whose a username is, also of a user who is deleted', async () => {
    const { create, users, usernameRecords, directory, context } = auth();
    const { user } = await create('alice');
    await directory.reconcile(user.id);
    await users.delete(context(), user.id);
    await directory.reconcile(user.id);
    expect([...usernameRecords.records]).toEqual([[usernameRecordKey('alice'), { value: { userId: user.id }, revision: 1 }]]);
  });

  it('gets nothing for what the log does not know', async () => {
    const { directory, keyRecords } = auth();
    expect(await directory.reconcile(newId('key'))).toEqual({});
    expect(await directory.reconcile(newId('usr'))).toEqual({});
    expect(keyRecords.records.size).toBe(0);
  });
});

describe('the bootstrap administrator', () => {
  it('S0-05 S0-43 is let in by the key in the file, however often that is ensured', async () => {
    const { commands, users, keys, store } = auth();
    const file = join(await tempDir(), 'admin.key');
    await writeFile(file, `${formatApiKey(randomBytes(32))}\n`);
    const admin = new BootstrapAdmin(commands, users, keys);
    await admin.ensure(file);
    const after = store.all().length;
    await Promise.all([admin.ensure(file), new BootstrapAdmin(new Commands(store), users, keys).ensure(file)]);
    expect(store.all().length).toBe(after);
    expect(await users.get(await users.resolve('admin'))).toMatchObject({ role: 'admin', status: 'active' });
  });

  it('S0-44 gets a second key when the file holds a new one', async () => {
    const { commands, users, keys, log } = auth();
    const file = join(await tempDir(), 'admin.key');
    const admin = new BootstrapAdmin(commands, users, keys);
    for (const key of [formatApiKey(randomBytes(32)), formatApiKey(randomBytes(32))]) {
      await writeFile(file, key);
      await admin.ensure(file);
      expect(log()).toContain(hashApiKey(key));
    }
  });

  it('is let in also when the log does not answer in time at first, and not when it refuses', async () => {
    const { store, users, keys } = auth();
    const file = join(await tempDir(), 'admin.key');
    await writeFile(file, formatApiKey(randomBytes(32)));
    const failures = [
      new DomainError('UNAVAILABLE', 'the log is not available'),
      new DomainError('UNAVAILABLE', 'the log is not available'),
    ];
    const slow = Object.assign(new Commands(store), {
      load: async (...args: Parameters<Commands['load']>) => {
        const failure = failures.shift();
        if (failure) throw failure;
        return new Commands(store).load(...args);
      },
    });
    await new BootstrapAdmin(slow, users, keys).ensure(file);
    expect(await users.get(await users.resolve('admin'))).toMatchObject({ role: 'admin', status: 'active' });
    failures.push(new DomainError('FORBIDDEN', 'no'));
    await expect(new BootstrapAdmin(slow, users, keys).ensure(file)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('says what to do when the file holds no key', async () => {
    const { commands, users, keys } = auth();
    const file = join(await tempDir(), 'admin.key');
    await writeFile(file, 'secret');
    await expect(new BootstrapAdmin(commands, users, keys).ensure(file)).rejects.toThrow(/generate-admin-key/);
  });
});

it('an API key that is created twice by one command is handed out once', async () => {
  const { create, keys, context } = auth();
  const { user } = await create('alice');
  const request = { context: context(), userId: user.id, name: 'laptop' };
  const { key } = await keys.create(request);
  await expect(keys.create(request)).rejects.toMatchObject({ code: 'CONFLICT', details: { keyId: key.id } });
});
