import type { AgentSandboxVersion } from '../agent-sandbox.js';

const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/**
 * The definition of Sandbox as far as Sandlot uses it: our own writing from what is known of kubernetes-sigs/agent-sandbox. Fields that are
 * not here are dropped by the API server, as its own schema does it.
 * `v1alpha1` is that of v0.4.6; `service: false` gives that of v0.4.5 and before.
 */
export function agentSandboxDefinition(versions: readonly AgentSandboxVersion[], { service = true } = {}) {
  const stored = versions.includes('v1beta1') ? 'v1beta1' : 'v1alpha1';
  const podTemplate = { type: 'object', required: ['spec'], properties: { metadata: anything, spec: anything } };
  const expiry = { shutdownTime: { type: 'string', format: 'date-time' }, shutdownPolicy: { type: 'string', enum: ['Delete', 'Retain'] } };
  const pausing = {
    v1beta1: { operatingMode: { type: 'string', enum: ['Running', 'Suspended'], default: 'Running' } },
    v1alpha1: { replicas: { type: 'integer', minimum: 0, maximum: 1, default: 1 } },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: 'sandboxes.agents.x-k8s.io',
      annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/agent-sandbox' },
    },
    spec: {
      group: 'agents.x-k8s.io',
      scope: 'Namespaced',
      names: { kind: 'Sandbox', listKind: 'SandboxList', plural: 'sandboxes', singular: 'sandbox', shortNames: ['sandbox'] },
      versions: versions.map((name) => ({
        name,
        served: true,
        storage: name === stored,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['podTemplate'],
                properties: {
                  podTemplate,
                  volumeClaimTemplates: { type: 'array', items: anything },
                  ...(service && { service: { type: 'boolean' } }),
                  ...expiry,
                  ...pausing[name],
                },
              },
              status: anything,
            },
          },
        },
      })),
    },
  };
}
