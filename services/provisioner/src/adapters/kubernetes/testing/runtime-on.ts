import type { TestCluster } from '@sandlot/testbed';
import { atEnd } from '@sandlot/testing';
import { openKubernetesRuntime, type OpenOptions } from '../open-runtime.js';
import type { Runtime } from '../../../ports.js';

export const podSettings: OpenOptions['pods'] = {
  serviceAccountName: 'sandlot-sandbox',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: [],
  runtimeImage: 'runtime:1',
  terminationGraceSeconds: 1,
};

const nobody = { proxy: [], dns: [], gateway: [], deny: [] };
const small = { cpu: '100m', memory: '64Mi' };

export interface RuntimeOnTestbed {
  runtime: Runtime;
  /** What was sent since the start, watches left out: `PATCH /api/v1/namespaces/x/services/y`. */
  calls: string[];
}

/** A runtime on a testbed, as the service would open it; closed at the end of the test file. */
export async function runtimeOn(
  testbed: Pick<TestCluster, 'kubeconfigPath'>,
  { workload = 'statefulset', ...options }: Partial<OpenOptions> = {},
): Promise<RuntimeOnTestbed> {
  const calls: string[] = [];
  const runtime = await openKubernetesRuntime({
    kubeconfig: testbed.kubeconfigPath,
    workload,
    cluster: { onRequest: ({ method, path }) => method !== 'WATCH' && calls.push(`${method} ${path.replace(/\?.*/, '')}`) },
    namespaces: { podSecurity: 'restricted', peers: nobody, defaults: { requests: small, limits: small } },
    pods: podSettings,
    volumes: { disk: '1Gi' },
    backoff: { firstMs: 100 },
    ...options,
  });
  atEnd(() => runtime.close());
  return { runtime, calls };
}
