import type { ForeignSandboxes } from '../../ports.js';
import { accessTo } from './access.js';
import { KubernetesCluster, type KubernetesClusterOptions } from './kubernetes-cluster.js';
import { KubernetesForeignSandboxes, type KubernetesForeignSandboxesOptions } from './kubernetes-foreign-sandboxes.js';

export interface OpenForeignOptions extends Omit<KubernetesForeignSandboxesOptions, 'cluster' | 'everywhere'> {
  kubeconfig?: string | undefined;
  /** `*` for the whole cluster. */
  namespaces: readonly string[];
  cluster: Omit<KubernetesClusterOptions, 'namespaces'>;
}

export async function openForeignSandboxes({ kubeconfig, namespaces, ...options }: OpenForeignOptions): Promise<ForeignSandboxes> {
  const everywhere = namespaces.includes('*');
  const scope = everywhere ? {} : { namespaces };
  const cluster = new KubernetesCluster(await accessTo(kubeconfig), { ...options.cluster, ...scope });
  const foreign = new KubernetesForeignSandboxes({ ...options, cluster, everywhere });
  foreign.open();
  return foreign;
}
