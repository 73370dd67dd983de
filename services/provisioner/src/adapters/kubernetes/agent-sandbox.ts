import { labelsOf } from './labels.js';
import type { KubernetesObject } from './cluster.js';
import { podTemplate } from './pod-template.js';
import { agentSandboxes } from './sandbox-resources.js';
import type { Workload } from './workload.js';

/** The versions that Sandlot speaks, better first. */
export const agentSandboxVersions = ['v1beta1', 'v1alpha1'] as const;
export type AgentSandboxVersion = (typeof agentSandboxVersions)[number];

interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

interface AgentSandbox extends KubernetesObject {
  spec?: { operatingMode?: string; replicas?: number; service?: boolean };
  status?: { conditions?: Condition[] };
}

/**
 * A `Sandbox` of kubernetes-sigs/agent-sandbox, whose controller makes its pod and its headless Service. Unknown fields are dropped by the
 * API server without a word, so a pause is read back from `spec` and never from `Ready`, which up to v0.4.6 was true of a paused one too.
 */
export function agentSandbox(version: AgentSandboxVersion): Workload {
  const resource = agentSandboxes(version);
  const mode = (running: boolean) =>
    version === 'v1beta1' ? { operatingMode: running ? 'Running' : 'Suspended' } : { replicas: running ? 1 : 0 };
  return {
    name: 'agent-sandbox',
    resource,

    /** Up to v0.4.5 there is no `service` and a Service is always made. Creating drops the field there; applying it later would be refused. */
    objects(id, place, settings, running, found?: AgentSandbox) {
      const { name, namespace } = place;
      const service = !found || found.spec?.service !== undefined;
      return [
        {
          apiVersion: resource.apiVersion,
          kind: resource.kind,
          metadata: { name, namespace, labels: labelsOf(id, place) },
          spec: { ...mode(running), ...(service && { service: true }), podTemplate: podTemplate(id, place, settings) },
        },
      ];
    },

    scale: (running) => ({ spec: mode(running) }),
    wantsToRun: ({ spec }: AgentSandbox) => (version === 'v1beta1' ? spec?.operatingMode !== 'Suspended' : (spec?.replicas ?? 1) > 0),
    isObserved: () => true, // there is no observedGeneration; the pod tells
    complaint: ({ status }: AgentSandbox) =>
      status?.conditions?.find(({ type, status, reason }) => type === 'Ready' && status === 'False' && complaints.has(reason ?? ''))
        ?.message,
    serviceHost: ({ metadata: { name, namespace } }) => `${name}.${namespace}.svc`,
  };
}

/** Reasons of `Ready` that explain why there is no pod. The others are told by the pod itself, and better. */
const complaints = new Set(['ReconcilerError', 'InvalidConfiguration', 'MultiplePods', 'SandboxExpired']);
