import { atEnd } from '@sandlot/testing';
import { accessByKubeconfig } from '../access.js';
import { KubernetesCluster, type KubernetesClusterOptions } from '../kubernetes-cluster.js';

export interface Connected {
  cluster: KubernetesCluster;
  /** What was sent since the start or the last `forget`, watches left out: `PATCH /api/v1/namespaces/x/resourcequotas/y`. */
  calls: string[];
  /** `WATCH /api/v1/namespaces`, as they were begun. */
  watches: string[];
}

/** A cluster of the adapters' over a kubeconfig, closed at the end of the test file, that remembers what it has sent. */
export async function connect(kubeconfigPath: string, options: KubernetesClusterOptions = {}): Promise<Connected> {
  const calls: string[] = [];
  const watches: string[] = [];
  const cluster = new KubernetesCluster(await accessByKubeconfig(kubeconfigPath), {
    ...options,
    onRequest: ({ method, path }) => (method === 'WATCH' ? watches : calls).push(`${method} ${path.replace(/\?.*/, '')}`),
  });
  atEnd(() => cluster.close());
  return { cluster, calls, watches };
}
