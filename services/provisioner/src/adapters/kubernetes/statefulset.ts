import { labelsOf, SANDBOX_ID } from './labels.js';
import type { KubernetesObject } from './cluster.js';
import { podTemplate } from './pod-template.js';
import { SERVICES, STATEFUL_SETS } from './sandbox-resources.js';
import type { Workload } from './workload.js';

interface StatefulSet extends KubernetesObject {
  spec?: { replicas?: number };
  status?: { observedGeneration?: number; replicas?: number };
}

/**
 * A StatefulSet of one replica and a headless Service: nothing but core Kubernetes. Its pod is `<sandbox>-0`, with the stable name
 * `<sandbox>-0.<sandbox>.<namespace>.svc`.
 */
export const statefulSet: Workload = {
  name: 'statefulset',
  resource: STATEFUL_SETS,

  objects(id, place, settings, running) {
    const { name, namespace, spec } = place;
    const labels = labelsOf(id, place);
    const selector = { [SANDBOX_ID]: id };
    const service = {
      apiVersion: SERVICES.apiVersion,
      kind: SERVICES.kind,
      metadata: { name, namespace, labels },
      spec: {
        clusterIP: 'None',
        selector,
        ports: spec.ports.map(({ name, port, protocol }) => ({
          name: name ?? `port-${port}`,
          port,
          protocol: 'TCP',
          ...(protocol === 'h2c' && { appProtocol: 'kubernetes.io/h2c' }),
        })),
      },
    };
    const workload = {
      apiVersion: STATEFUL_SETS.apiVersion,
      kind: STATEFUL_SETS.kind,
      metadata: { name, namespace, labels },
      spec: {
        replicas: running ? 1 : 0,
        serviceName: name,
        selector: { matchLabels: selector },
        // In order would mean that a pod which cannot become ready is never replaced by one that can.
        podManagementPolicy: 'Parallel',
        // A changed template takes effect at the next start: no running sandbox is restarted because Sandlot was upgraded.
        updateStrategy: { type: 'OnDelete' },
        revisionHistoryLimit: 1,
        template: podTemplate(id, place, settings),
      },
    };
    return [service, workload];
  },

  scale: (running) => ({ spec: { replicas: running ? 1 : 0 } }),
  wantsToRun: ({ spec }: StatefulSet) => (spec?.replicas ?? 1) > 0,
  isObserved: ({ metadata, status }: StatefulSet) => (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0),
  complaint: () => undefined, // it has none of its own: it writes events
  serviceHost: ({ metadata: { name, namespace } }) => `${name}-0.${name}.${namespace}.svc`,
};
