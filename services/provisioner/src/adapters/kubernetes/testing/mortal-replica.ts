import type { RouteRecord } from '@sandlot/contracts';
import { Commands, type EventStore } from '@sandlot/event-store';
import type { SandboxId, UserId } from '@sandlot/kernel';
import type { Table } from '@sandlot/service-kit';
import { atEnd } from '@sandlot/testing';
import type { TestCluster } from '@sandlot/testbed';
import { NamespaceReconciler } from '../../../reconcile/namespace.reconciler.js';
import { NetworkPolicyReconciler } from '../../../reconcile/network-policy.reconciler.js';
import { QuotaReconciler } from '../../../reconcile/quota.reconciler.js';
import { RouteReconciler } from '../../../reconcile/route.reconciler.js';
import { SandboxReconciler } from '../../../reconcile/sandbox.reconciler.js';
import { ServiceAccountReconciler } from '../../../reconcile/service-account.reconciler.js';
import { accessByKubeconfig } from '../access.js';
import { KubernetesCluster } from '../kubernetes-cluster.js';
import { KubernetesNamespaces } from '../kubernetes-namespaces.js';
import { KubernetesRuntime } from '../kubernetes-runtime.js';
import { options as namespaceOptions, quota } from './namespace-platform.js';
import { podSettings } from './runtime-on.js';

/** What outlives every replica. */
export interface Shared {
  testbed: Pick<TestCluster, 'kubeconfigPath'>;
  store: EventStore;
  routes: Table<RouteRecord>;
}

/**
 * Counts what others can see of a replica: each append, each write to the cluster, each record. After the step that it dies of, nothing of what
 * it does happens any more, as after `kill -9`.
 */
export class Life {
  /** By name, with a number from the second of the same name on. */
  readonly steps: string[] = [];

  /** @param diesAfter the name of a step: what is done at once comes in any order, so a number would not say which */
  constructor(private readonly diesAfter?: string) {}

  get over(): boolean {
    return this.diesAfter !== undefined && this.steps.includes(this.diesAfter);
  }

  /** The same object, whose named methods are steps. */
  of<Thing extends object>(thing: Thing, steps: readonly (keyof Thing & string)[]): Thing {
    return new Proxy(thing, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        const method = value as (...args: unknown[]) => unknown;
        if (!(steps as readonly unknown[]).includes(name)) return method.bind(target);
        return async (...args: unknown[]) => {
          this.check();
          const result = await method.apply(target, args);
          this.check();
          this.record(`${String(name)} ${nameOf(args)}`);
          this.check();
          return result;
        };
      },
    });
  }

  private record(step: string): void {
    const before = this.steps.filter((one) => one === step || one.startsWith(`${step} #`)).length;
    this.steps.push(before === 0 ? step : `${step} #${before + 1}`);
  }

  private check(): void {
    if (this.over) throw new Error('this replica was killed');
  }
}

/** `create StatefulSet`, `append sandbox.started.v1`, `put s1`. */
function nameOf([first, second]: unknown[]): string {
  if (typeof first === 'string') return first.slice(first.lastIndexOf('.') + 1);
  if (Array.isArray(second)) return second.flatMap((write: { facts: { type: string }[] }) => write.facts.map(({ type }) => type)).join(' ');
  return (first as { kind?: string }).kind ?? '?';
}

/** A provisioner's reconcilers on a cluster, with a memory of their own. */
export async function openReplica({ testbed, store, routes }: Shared, life: Life) {
  const { server, cluster } = await connectMortal(testbed.kubeconfigPath, life);
  const commands = new Commands(life.of(store, ['append']));
  const namespaces: KubernetesNamespaces = new KubernetesNamespaces(cluster, {
    ...namespaceOptions,
    holdsSandboxes: (namespace) => runtime.holdsSandboxes(namespace),
  });
  const runtime = new KubernetesRuntime({
    cluster,
    namespaces,
    workload: 'statefulset',
    routeBy: 'pod-ip',
    pods: podSettings,
    volumes: { disk: '1Gi' },
    backoff: { firstMs: 100 },
  });
  await runtime.open();
  const ofUser = [
    new NamespaceReconciler(commands, runtime),
    new QuotaReconciler(commands, runtime, quota),
    new NetworkPolicyReconciler(commands, runtime, 'internet'),
    new ServiceAccountReconciler(commands, runtime, {}),
  ];
  const sandbox = new SandboxReconciler(commands, runtime);
  const route = new RouteReconciler(commands, life.of(routes, ['put', 'remove']));
  return {
    life,
    /** Everything once, as the loops do it. */
    async look(userId: UserId, id: SandboxId): Promise<void> {
      for (const each of ofUser) await each.reconcile(userId);
      await sandbox.reconcile(id);
      await route.reconcile(id);
    },
    close: async () => {
      await runtime.close();
      await server.close();
    },
  };
}

async function connectMortal(kubeconfigPath: string, life: Life) {
  const server = new KubernetesCluster(await accessByKubeconfig(kubeconfigPath));
  atEnd(() => server.close());
  return { server, cluster: life.of(server, ['create', 'apply', 'patch', 'delete']) };
}
