import type { KubernetesObject } from './cluster.js';
import { CONTAINER } from './pod-template.js';

/** As much of a pod as its state is read from. */
export interface Pod extends KubernetesObject {
  spec?: {
    nodeName?: string;
    hostNetwork?: boolean;
    containers?: { name: string; ports?: { name?: string; containerPort: number; protocol?: string }[] }[];
  };
  status?: {
    phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
    reason?: string;
    message?: string;
    podIP?: string;
    conditions?: PodCondition[];
    containerStatuses?: ContainerStatus[];
  };
}

export interface PodCondition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  state?: { waiting?: { reason?: string; message?: string }; running?: { startedAt?: string }; terminated?: Terminated };
  lastState?: { terminated?: Terminated };
}

export interface Terminated {
  exitCode: number;
  signal?: number;
  reason?: string;
  message?: string;
  startedAt?: string;
  finishedAt?: string;
}

export const conditionOf = ({ status }: Pod, type: string): PodCondition | undefined =>
  status?.conditions?.find((one) => one.type === type);

/** Sidecars that a mesh or a CSI driver has added are not asked. */
export const containerOf = ({ status }: Pod): ContainerStatus | undefined =>
  status?.containerStatuses?.find(({ name }) => name === CONTAINER);

export const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Failed' || status?.phase === 'Succeeded';

/** Whether requests may go to it. Its address may be another's as soon as it is being deleted. */
export const isReady = (pod: Pod): boolean =>
  pod.status?.phase === 'Running' &&
  conditionOf(pod, 'Ready')?.status === 'True' &&
  pod.metadata.deletionTimestamp === undefined &&
  Boolean(pod.status.podIP);

/** Kubernetes takes only the condition away when it does not hear from a node any more: the kubelet's own words, that the container is ready, stay. */
export const isOnLostNode = (pod: Pod): boolean =>
  Boolean(pod.spec?.nodeName) &&
  pod.status?.phase === 'Running' &&
  conditionOf(pod, 'Ready')?.status === 'False' &&
  (pod.status.containerStatuses ?? []).length > 0 &&
  (pod.status.containerStatuses ?? []).every(({ ready }) => ready);
