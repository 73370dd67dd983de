import { aggregateRef } from '@sandlot/contracts';
import { Commands, MemoryEventStore, nothing, serviceContext } from '@sandlot/event-store';
import { newId, type SandboxId } from '@sandlot/kernel';
import { previewsAt, previewDecider } from './domain/preview/preview.js';
import { sandboxDecider } from './domain/sandbox/decide.js';
import { plainRules } from './domain/sandbox/settings.fixture.js';
import { Previews } from './previews.js';
import { wantedRoute } from './reconcile/plan.js';
import { Sandboxes } from './sandboxes.js';

const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };
const limits = { idleTimeoutSeconds: 0 };
const context = () => serviceContext('test', nothing);

async function platform() {
  const store = new MemoryEventStore();
  const commands = new Commands(store);
  const owner = { userId: newId('usr'), username: 'alice' };
  const sandboxes = new Sandboxes(commands, store, { quota, rules: plainRules, limits, namespacePrefix: 'user-' });
  const ports = [{ port: 8888 }, { name: 'web', port: 3000 }];
  const { sandbox } = await sandboxes.request({ context: context(), owner, name: 's1', ports });
  const previews = new Previews(commands);
  const of = { userId: owner.userId, name: 's1' };
  const open = (port?: number | string, by = context()) => previews.open({ ...of, context: by, port, ttlSeconds: 60, public: false });
  return { store, commands, sandboxes, previews, of, open, id: sandbox.id as SandboxId };
}

describe('previews of a sandbox by its name', () => {
  it('are opened at its first port, or a declared one by number or name', async () => {
    const { open, previews, of } = await platform();
    for (const [wanted, port] of [[undefined, 8888], [3000, 3000], ['web', 3000]] as const) expect((await open(wanted)).preview.port).toBe(port); // prettier-ignore
    expect((await previews.list(of)).items.map(({ port }) => port)).toEqual([8888, 3000, 3000]);
  });

  it('are refused at a port that is not declared, and for a sandbox that is not there or on its way out', async () => {
    const { open, previews, sandboxes, of } = await platform();
    await expect(open(22)).rejects.toMatchObject({ code: 'VALIDATION_FAILED', details: { errors: [{ pointer: '/port' }] } });
    await expect(previews.list({ ...of, name: 's2' })).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' });
    await sandboxes.delete({ ...of, context: context() });
    await expect(open()).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' });
  });

  it('are opened and revoked once, however often it is said', async () => {
    const { open, previews, of, store } = await platform();
    const by = context();
    const { preview } = await open(undefined, by);
    expect((await open(undefined, by)).preview).toEqual(preview);
    const revoking = { ...of, context: context(), previewId: preview.id };
    await previews.revoke(revoking);
    const before = store.all().length;
    await previews.revoke(revoking);
    await expect(previews.revoke({ ...revoking, context: context() })).rejects.toMatchObject({ code: 'PREVIEW_NOT_FOUND' });
    expect([store.all().length, (await previews.list(of)).items]).toEqual([before, []]);
  });

  it('stand in the route while they are open', async () => {
    const { open, commands, id } = await platform();
    const { preview } = await open();
    const route = async (at: string) => {
      const { state: sandbox } = await commands.load(sandboxDecider, aggregateRef('sandbox', id));
      const { state } = await commands.load(previewDecider, aggregateRef('preview', id));
      return wantedRoute(id, sandbox, Date.parse(at), previewsAt(state, at))!.previews;
    };
    const { openedAt, ...shown } = preview;
    expect(await route(openedAt)).toEqual([shown]);
    expect(await route(preview.expiresAt)).toBeUndefined();
  });
});
