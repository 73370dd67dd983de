import type { Runtime } from '../../ports.js';
import { accessTo } from './access.js';
import { KubernetesCluster, type KubernetesClusterOptions } from './kubernetes-cluster.js';
import { KubernetesNamespaces, type KubernetesNamespacesOptions } from './kubernetes-namespaces.js';
import { KubernetesRuntime, type KubernetesRuntimeOptions } from './kubernetes-runtime.js';

export interface OpenOptions extends Omit<KubernetesRuntimeOptions, 'cluster' | 'namespaces' | 'routeBy'> {
  /** Default: the pod's own service account. */
  kubeconfig?: string | undefined;
  /** Default: by service in a cluster, by pod IP elsewhere. */
  routeBy?: KubernetesRuntimeOptions['routeBy'] | undefined;
  cluster: KubernetesClusterOptions;
  namespaces: Omit<KubernetesNamespacesOptions, 'holdsSandboxes'>;
}

/** A cluster, what users have in it, and their sandboxes. Whoever has a kubeconfig is taken to be outside of the cluster. */
export async function openKubernetesRuntime({ kubeconfig, routeBy, ...options }: OpenOptions): Promise<Runtime> {
  const cluster = new KubernetesCluster(await accessTo(kubeconfig), options.cluster);
  const namespaces: KubernetesNamespaces = new KubernetesNamespaces(cluster, {
    ...options.namespaces,
    holdsSandboxes: (namespace) => runtime.holdsSandboxes(namespace),
  });
  const runtime = new KubernetesRuntime({
    ...options,
    cluster,
    namespaces,
    routeBy: routeBy ?? (kubeconfig === undefined ? 'service' : 'pod-ip'),
  });
  await runtime.open();
  return runtime;
}
