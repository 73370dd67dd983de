import { aggregateRef, type Egress } from '@sandlot/contracts';
import { Commands, MemoryEventStore, nothing, serviceContext } from '@sandlot/event-store';
import { newId } from '@sandlot/kernel';
import type { TestCluster } from '@sandlot/testbed';
import { namespaceDecider } from '../../../domain/namespace/namespace.js';
import type { Runtime } from '../../../ports.js';
import type { ConcernReconciler } from '../../../reconcile/concern.reconciler.js';
import { NamespaceReconciler } from '../../../reconcile/namespace.reconciler.js';
import { NetworkPolicyReconciler } from '../../../reconcile/network-policy.reconciler.js';
import { QuotaReconciler } from '../../../reconcile/quota.reconciler.js';
import { ServiceAccountReconciler } from '../../../reconcile/service-account.reconciler.js';
import { KubernetesNamespaces, type KubernetesNamespacesOptions } from '../kubernetes-namespaces.js';
import type { Connected } from './connected.js';

export const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };
export const options: KubernetesNamespacesOptions = {
  podSecurity: 'restricted',
  peers: {
    proxy: [{ namespace: 'sandlot', labels: { 'app.kubernetes.io/component': 'proxy' } }],
    dns: [{ namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } }],
    gateway: [{ namespace: 'sandlot', labels: { 'app.kubernetes.io/component': 'egress' } }],
    deny: ['203.0.114.7/32'],
  },
  defaults: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '400m', memory: '768Mi' } },
  holdsSandboxes: () => false,
};
export type Concern = 'namespace' | 'quota' | 'network-policy' | 'service-account';
export const concerns: readonly Concern[] = ['namespace', 'quota', 'network-policy', 'service-account'];

let count = 0;
/** The log, the reconcilers and one user, `u1`, `u2`, …, on a real cluster. */
export async function namespacePlatform(
  testbed: TestCluster,
  {
    connected,
    egress = 'internet' as Egress,
    username = `u${(count += 1)}`,
    ...changes
  }: Partial<KubernetesNamespacesOptions> & { connected: Connected; egress?: Egress; username?: string },
) {
  const store = new MemoryEventStore();
  const commands = new Commands(store);
  const runtime = new KubernetesNamespaces(connected.cluster, { ...options, ...changes });
  await runtime.follow();
  const asRuntime = Object.assign(runtime, { name: 'statefulset' }) as unknown as Runtime;
  const userId = newId('usr');
  const name = `user-${username}`;
  const reconcilers: Record<Concern, NamespaceReconciler | ConcernReconciler> = {
    namespace: new NamespaceReconciler(commands, asRuntime),
    quota: new QuotaReconciler(commands, asRuntime, quota),
    'network-policy': new NetworkPolicyReconciler(commands, asRuntime, egress),
    'service-account': new ServiceAccountReconciler(commands, asRuntime, { 'iam.example.com/identity': 'sandboxes@example.com' }),
  };
  const context = () => serviceContext('test', nothing);
  const decide = (command: Parameters<typeof namespaceDecider.decide>[0]) =>
    commands.handle(context(), async (work) => {
      (await work.load(namespaceDecider, aggregateRef('namespace', userId))).decide(command);
    });
  const request = () => decide({ type: 'RequestNamespace', owner: userId, username, name });
  /** Looks at everything until nothing changes any more. */
  const settle = async () => {
    for (let before = -1; before !== store.all().length;) {
      before = store.all().length;
      for (const concern of concerns)
        for (let again = true; again;) again = (await reconcilers[concern].reconcile(userId)).againAfterMs === 0;
    }
  };
  const types = () => store.all().map(({ type }) => type);
  const drift = () => store.all().flatMap(({ fact }) => (fact.type === 'namespace.drift-repaired.v1' ? [fact.data] : []));
  const get = async (path: string) =>
    (await testbed.request('GET', path)) as { metadata: { labels: Record<string, string>; uid: string }; spec: never };
  const inside = (path: string, group = 'api/v1') => get(`/${group}/namespaces/${name}/${path}`);
  const policy = (policyName: string) => inside(`networkpolicies/${policyName}`, 'apis/networking.k8s.io/v1');
  return {
    store,
    commands,
    runtime: asRuntime,
    userId,
    username,
    name,
    reconcilers,
    context,
    decide,
    request,
    settle,
    types,
    drift,
    get,
    inside,
    policy,
  };
}
