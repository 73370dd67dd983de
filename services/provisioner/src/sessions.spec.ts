import { aggregateRef } from '@sandlot/contracts';
import { Commands, MemoryEventStore, nothing, serviceContext } from '@sandlot/event-store';
import { newId, type SandboxId } from '@sandlot/kernel';
import { ledgerDecider } from './domain/ledger/ledger.js';
import { sandboxDecider, type SandboxCommand } from './domain/sandbox/decide.js';
import { plainRules } from './domain/sandbox/settings.fixture.js';
import { Sandboxes } from './sandboxes.js';
import { Sessions } from './sessions.js';

const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };
const owner = { userId: newId('usr'), username: 'alice' };
const bob = newId('usr');
let now: number;
const clock = { now: () => new Date(now) };
const context = () => serviceContext('test', nothing);

function platform() {
  now = Date.parse('2026-01-31T12:00:00Z');
  const store = new MemoryEventStore();
  const commands = new Commands(store);
  const settings = { quota, rules: plainRules, limits: { idleTimeoutSeconds: 0 }, namespacePrefix: 'user-' };
  const sandboxes = new Sandboxes(commands, store, settings, clock);
  const sessions = new Sessions(commands, clock);
  const create = async (more: { name?: string; ttlSeconds?: number } = { ttlSeconds: 3600 }) =>
    (await sandboxes.request({ context: context(), owner, ports: [{ port: 8888 }], ...more })).sandbox;
  const happens = (id: SandboxId, ...all: SandboxCommand[]) =>
    commands.handle(context(), async (work) => {
      const sandbox = await work.load(sandboxDecider, aggregateRef('sandbox', id));
      for (const command of all) sandbox.decide(command);
      if (sandbox.state.status === 'deleted')
        (await work.load(ledgerDecider, aggregateRef('ledger', owner.userId))).decide({ type: 'ReleaseSandbox', sandboxId: id });
    });
  const expires = (id: SandboxId, expiresAt: string) => happens(id, { type: 'ExpireSandbox', expiresAt });
  const vanishes = (id: SandboxId) => happens(id, { type: 'ReportSandbox', seen: { phase: 'gone' } });
  return { sandboxes, sessions, create, expires, vanishes };
}

const mine = (id: SandboxId) => ({ userId: owner.userId, id });
const change = (id: SandboxId) => ({ context: context(), ...mine(id) });

describe('a session', () => {
  it('is a sandbox that is named by its id and has a lifetime (S4-01 S4-03)', async () => {
    const { sessions, create } = platform();
    const session = await create();
    expect(session).toMatchObject({
      name: session.id.replace('_', '-'),
      ttlSeconds: 3600,
      expiresAt: '2026-01-31T13:00:00.000Z',
      state: 'starting',
    });
    expect(await sessions.get(mine(session.id))).toEqual(session);
  });

  it('is nobody else’s, and a sandbox without a lifetime is none', async () => {
    const { sessions, create } = platform();
    const { id } = await create();
    await expect(sessions.get({ userId: bob, id })).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' });
    await expect(sessions.delete({ context: context(), userId: bob, id })).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' });
    await expect(sessions.extend({ context: context(), userId: bob, id })).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' });
    expect(await sessions.get({ id })).toMatchObject({ id });
    const lasting = await create({ name: 's1' });
    await expect(sessions.get(mine(lasting.id))).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' });
    await expect(sessions.get(mine(newId('sbx')))).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' });
  });

  it('is extended from now on, by its own time or another, and never shortened', async () => {
    const { sessions, create } = platform();
    const { id } = await create();
    now += 600_000;
    expect((await sessions.extend(change(id))).sandbox).toMatchObject({ expiresAt: '2026-01-31T13:10:00.000Z', version: 2 });
    expect((await sessions.extend({ ...change(id), ttlSeconds: 60 })).sandbox).toMatchObject({
      ttlSeconds: 3600,
      expiresAt: '2026-01-31T13:10:00.000Z',
      version: 2,
    });
    expect((await sessions.extend({ ...change(id), ttlSeconds: 7200 })).sandbox).toMatchObject({
      ttlSeconds: 7200,
      expiresAt: '2026-01-31T14:10:00.000Z',
    });
  });

  it('is extended once by a command that is repeated, and only at the version that was meant', async () => {
    const { sessions, create } = platform();
    const { id } = await create();
    now += 600_000;
    const extending = { ...change(id), expectedVersion: 1 };
    await sessions.extend(extending);
    now += 600_000;
    expect((await sessions.extend(extending)).sandbox).toMatchObject({ expiresAt: '2026-01-31T13:10:00.000Z' });
    await expect(sessions.extend({ ...change(id), expectedVersion: 1 })).rejects.toMatchObject({ code: 'VERSION_MISMATCH' });
  });

  it('that is deleted is shown while it goes, and then gone with the reason (S4-04)', async () => {
    const { sessions, create, vanishes } = platform();
    const { id } = await create();
    expect((await sessions.delete(change(id))).sandbox).toMatchObject({ state: 'deleting' });
    expect(await sessions.get(mine(id))).toMatchObject({ state: 'deleting' });
    await vanishes(id);
    await expect(sessions.get(mine(id))).rejects.toMatchObject({ code: 'SANDBOX_GONE', details: { reason: 'DELETED' } });
    await expect(sessions.delete(change(id))).rejects.toMatchObject({ code: 'SANDBOX_GONE' });
  });

  it('whose time is over is gone from that moment on, by its id and by its name (S4-18)', async () => {
    const { sandboxes, sessions, create, expires, vanishes } = platform();
    const { id, name, expiresAt } = await create({ name: 's1', ttlSeconds: 60 });
    await expires(id, expiresAt!);
    const gone = { code: 'SANDBOX_GONE', details: { reason: 'EXPIRED', endedAt: expiresAt } };
    const named = () => ({ context: context(), userId: owner.userId, name });
    for (const there of [true, false]) {
      if (!there) await vanishes(id);
      await expect(sessions.get(mine(id))).rejects.toMatchObject(gone);
      await expect(sessions.extend(change(id))).rejects.toMatchObject(gone);
      await expect(sandboxes.get(owner.userId, name)).rejects.toMatchObject(gone);
      await expect(sandboxes.resume(named())).rejects.toMatchObject(gone);
    }
    await create({ name });
    expect(await sandboxes.get(owner.userId, name)).toMatchObject({ state: 'starting' });
  });
});
