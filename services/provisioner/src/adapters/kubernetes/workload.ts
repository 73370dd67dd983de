import type { SandboxId } from '@sandlot/kernel';
import type { SandboxPlace } from '../../ports.js';
import type { KubernetesObject, Resource } from './cluster.js';
import type { PodSettings } from './pod-template.js';

/** A kind of object that keeps one pod, and how it is told to run and to pause. Pure. */
export interface Workload {
  readonly name: 'statefulset' | 'agent-sandbox';
  readonly resource: Resource;

  /** What a sandbox is made of besides its volumes. The last is the workload itself: with it the sandbox is there. `found` is the one that is there. */
  objects(id: SandboxId, place: SandboxPlace, settings: PodSettings, running: boolean, found?: KubernetesObject): KubernetesObject[];

  /** A merge patch. */
  scale(running: boolean): object;

  /** Whether it is told to run. Never read from what its controller says of it. */
  wantsToRun(workload: KubernetesObject): boolean;

  /** Whether its controller has seen the newest version of it, as far as it says. */
  isObserved(workload: KubernetesObject): boolean;

  /** Why its controller has made no pod, in its words. */
  complaint(workload: KubernetesObject): string | undefined;

  /** The name that leads to the sandbox for as long as it is ready. */
  serviceHost(workload: KubernetesObject): string;
}

/** The uid is what counts: names pass on, and versions change with upgrades. */
export function isOwnedBy(object: KubernetesObject, owner: KubernetesObject): boolean {
  return (object.metadata.ownerReferences ?? []).some(({ uid }) => uid === owner.metadata.uid);
}
