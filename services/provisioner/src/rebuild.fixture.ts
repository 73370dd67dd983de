import { type OwnedAggregate } from '@sandlot/contracts';
import { Commands, MemoryEventStore, nothing, serviceContext } from '@sandlot/event-store';
import { newId, type SandboxId, type UserId } from '@sandlot/kernel';
import { plainRules } from './domain/sandbox/settings.fixture.js';
import type { Runtime } from './ports.js';
import { Rebuild } from './rebuild.js';
import { NamespaceReconciler } from './reconcile/namespace.reconciler.js';
import { NetworkPolicyReconciler } from './reconcile/network-policy.reconciler.js';
import { QuotaReconciler } from './reconcile/quota.reconciler.js';
import { SandboxReconciler } from './reconcile/sandbox.reconciler.js';
import { ServiceAccountReconciler } from './reconcile/service-account.reconciler.js';
import { Sandboxes } from './sandboxes.js';

const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };
export const context = () => serviceContext('test', nothing);

/** A log that outlives the runtimes that are put under it, one after the other. */
export function platform(first: Runtime) {
  const store = new MemoryEventStore();
  const commands = new Commands(store);
  const rules = { ...plainRules, allowed: { ...plainRules.allowed, buckets: ['*'] } };
  const sandboxes = new Sandboxes(commands, store, { quota, rules, limits: { idleTimeoutSeconds: 0 }, namespacePrefix: 'user-' });
  const alice = { userId: newId('usr'), username: 'alice' };
  const idsOf = async function* (aggregate: OwnedAggregate) {
    const refs = store.all().map(({ aggregate: ref }) => ref);
    yield* new Set(refs.filter((ref) => ref.aggregate === aggregate).map(({ id }) => id));
  };
  const on = (runtime: Runtime) => {
    const namespaces = new NamespaceReconciler(commands, runtime);
    const concerns = {
      'provisioner-quota': new QuotaReconciler(commands, runtime, quota),
      'provisioner-network-policy': new NetworkPolicyReconciler(commands, runtime, 'internet'),
      'provisioner-service-account': new ServiceAccountReconciler(commands, runtime, {}),
    };
    const reconciler = new SandboxReconciler(commands, runtime);
    const settle = async (id: SandboxId) => {
      for (let again = true; again;) again = (await namespaces.reconcile(alice.userId)).againAfterMs === 0;
      for (const concern of Object.values(concerns)) await concern.reconcile(alice.userId);
      for (let again = true; again;) again = (await reconciler.reconcile(id)).againAfterMs === 0;
    };
    const pass = (aggregate: OwnedAggregate, look: (id: never) => Promise<unknown>) => ({
      wakeAll: async () => {
        const report = { reconciled: 0, changed: [] as { id: string; what: string }[], failed: [] };
        const before = store.all().length;
        for await (const id of idsOf(aggregate)) {
          await look(id as never);
          report.reconciled += 1;
        }
        if (store.all().length !== before) report.changed.push({ id: 'some', what: 'something' });
        return report;
      },
    });
    const loops = {
      'provisioner-sandbox': pass('sandbox', settle),
      'provisioner-namespace': pass('namespace', (id: UserId) => namespaces.reconcile(id)),
      ...Object.fromEntries(
        Object.entries(concerns).map(([name, concern]) => [name, pass('namespace', (id: UserId) => concern.reconcile(id))]),
      ),
    };
    return { runtime, settle, rebuild: new Rebuild({ commands, runtime, idsOf, loops }) };
  };
  const request = async (name: string, asked = {}) =>
    (await sandboxes.request({ context: context(), owner: alice, name, ports: [{ port: 8888 }], ...asked })).sandbox.id;
  const types = () => store.all().map(({ type }) => type);
  return { store, commands, sandboxes, alice, on, request, types, now: on(first) };
}
