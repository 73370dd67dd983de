import type { Resource } from './cluster.js';
import { SANDBOX_ID } from './labels.js';

// What a sandbox consists of. Only what carries the label is followed: a cluster has many pods that are none of ours.
const ours = { label: SANDBOX_ID };

export const STATEFUL_SETS: Resource = { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespaced: true, only: ours };
export const PODS: Resource = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true, only: ours };
export const SERVICES: Resource = { apiVersion: 'v1', kind: 'Service', plural: 'services', namespaced: true, only: ours };
export const VOLUME_CLAIMS: Resource = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  namespaced: true,
  only: ours,
};
/** In them the cluster says why something does not come about. */
export const WARNINGS: Resource = { apiVersion: 'v1', kind: 'Event', plural: 'events', namespaced: true, only: { field: 'type=Warning' } };

export const AGENT_SANDBOX_GROUP = 'agents.x-k8s.io';
export const agentSandboxes = (version: string, everybodys = false): Resource => ({
  apiVersion: `${AGENT_SANDBOX_GROUP}/${version}`,
  kind: 'Sandbox',
  plural: 'sandboxes',
  namespaced: true,
  ...(!everybodys && { only: ours }),
});

// Those of other makers, to be discovered, and their pods.
const others = `!${SANDBOX_ID}`;
export const foreignSandboxes = (version: string): Resource => ({ ...agentSandboxes(version), only: { label: others } });
export const FOREIGN_PODS: Resource = { ...PODS, only: { label: `${AGENT_SANDBOX_GROUP}/sandbox-name-hash,${others}` } };

export const SANDBOX_DEFINITION: Resource = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
  only: { field: `metadata.name=sandboxes.${AGENT_SANDBOX_GROUP}` },
};
