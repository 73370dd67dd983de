import { DomainError, type SandboxId } from '@sandlot/kernel';
import { ActionRefused, type SandboxPlace } from '../../ports.js';
import type { Cluster, KubernetesObject, Resource } from './cluster.js';
import { diagnosis, refusal, type Diagnosis, type FailureReason } from './diagnosis.js';
import { ClusterRefusal } from './errors.js';
import { sandboxIdOf, type HeldSandbox } from './held-sandbox.js';
import { OWNER, SANDBOX_ID } from './labels.js';
import type { Pod } from './pod.js';
import type { PodSettings } from './pod-template.js';
import { PODS, SERVICES, VOLUME_CLAIMS } from './sandbox-resources.js';
import { KEPT_FROM, ON_DELETE, volumeClaims, type VolumeSettings } from './volume-claims.js';
import type { Workload } from './workload.js';

/** The writes that a sandbox takes. Each is to the very object that was seen, so two who do the same do no harm. */
export class SandboxWrites {
  constructor(private readonly options: { cluster: Cluster; pods: PodSettings; volumes: VolumeSettings }) {}

  /** Makes what is missing and puts right what differs, all of it at once but the workload, which is the last. */
  async ensure(sandboxId: SandboxId, place: SandboxPlace, kind: Workload, running: boolean, found?: KubernetesObject): Promise<void> {
    const objects = kind.objects(sandboxId, place, this.options.pods, running, found);
    const workload = objects.pop()!;
    await allDone([
      ...volumeClaims(sandboxId, place, this.options.volumes).map((claim) => this.ensureClaim(sandboxId, place, claim)),
      ...objects.map((service) => this.ensureObject(sandboxId, SERVICES, service)),
    ]);
    verify(kind, await this.ensureObject(sandboxId, kind.resource, workload), running);
  }

  private async ensureObject(sandboxId: SandboxId, resource: Resource, object: KubernetesObject): Promise<KubernetesObject> {
    const { cluster } = this.options;
    const found = cluster.find(resource, object.metadata);
    if (!found) return cluster.create(object);
    if (sandboxIdOf(found) !== sandboxId) throw refused(diagnosis('NAME_TAKEN', `${object.kind} ${object.metadata.name} is there already`));
    if (found.metadata.deletionTimestamp !== undefined) throw stillEnding(object);
    return cluster.apply({ ...object, metadata: { ...object.metadata, uid: found.metadata.uid! } });
  }

  /** A volume that was kept by name of its user is attached again. Its size and class stay what they were. */
  private async ensureClaim(sandboxId: SandboxId, { owner }: SandboxPlace, claim: KubernetesObject): Promise<void> {
    const { cluster } = this.options;
    const found = cluster.find(VOLUME_CLAIMS, claim.metadata);
    if (!found) return void (await cluster.create(claim));
    const { labels = {}, annotations = {}, uid, deletionTimestamp } = found.metadata;
    if (labels[SANDBOX_ID] === sandboxId && deletionTimestamp === undefined) return;
    if (labels[OWNER] !== owner || (labels[SANDBOX_ID] !== undefined && labels[SANDBOX_ID] !== sandboxId))
      throw refused(diagnosis('VOLUME_NOT_OURS', `PersistentVolumeClaim ${claim.metadata.name} is there already`));
    if (deletionTimestamp !== undefined) throw stillEnding(claim);
    if (annotations[KEPT_FROM] === undefined)
      throw refused(diagnosis('VOLUME_NOT_OURS', `PersistentVolumeClaim ${claim.metadata.name} is there already`));
    const metadata = { labels: { [SANDBOX_ID]: sandboxId }, annotations: { [KEPT_FROM]: null } };
    if (!(await cluster.patch(VOLUME_CLAIMS, claim.metadata, uid!, { metadata }))) throw stillEnding(claim);
  }

  async pause({ kind, object }: NonNullable<HeldSandbox['workload']>): Promise<void> {
    const patched = await this.options.cluster.patch(kind.resource, object.metadata, object.metadata.uid!, kind.scale(false));
    if (patched) verify(kind, patched, false);
  }

  /** The workload first, or it would make its pod again. What its controller or the garbage collector takes away is waited for. */
  async delete(sandboxId: SandboxId, held: HeldSandbox, isStuck: (pod: Pod) => boolean): Promise<void> {
    const { workload, otherWorkloads, pods, services, claims } = held;
    for (const { kind, object } of [...(workload ? [workload] : []), ...otherWorkloads]) await this.end(kind.resource, object);
    for (const pod of pods) {
      if (isStuck(pod)) await this.options.cluster.delete(PODS, pod.metadata, pod.metadata.uid!, { gracePeriodSeconds: 0 });
      else await this.end(PODS, pod);
    }
    for (const service of services) await this.end(SERVICES, service);
    for (const claim of claims) {
      if (claim.metadata.annotations?.[ON_DELETE] === 'keep') await this.keep(sandboxId, claim);
      else await this.end(VOLUME_CLAIMS, claim);
    }
  }

  async end(resource: Resource, { metadata }: KubernetesObject): Promise<void> {
    if (metadata.deletionTimestamp === undefined) await this.options.cluster.delete(resource, metadata, metadata.uid!);
  }

  private async keep(sandboxId: SandboxId, { metadata }: KubernetesObject): Promise<void> {
    const kept = { labels: { [SANDBOX_ID]: null }, annotations: { [KEPT_FROM]: sandboxId } };
    await this.options.cluster.patch(VOLUME_CLAIMS, metadata, metadata.uid!, { metadata: kept });
  }
}

/** Also when one fails: nothing of it is on its way any more when it is tried again. */
async function allDone(writes: readonly Promise<unknown>[]): Promise<void> {
  for (const write of await Promise.allSettled(writes)) if (write.status === 'rejected') throw write.reason;
}

/** The API server drops fields that it does not know without a word: what was asked for is read back. */
function verify(kind: Workload, written: KubernetesObject, running: boolean): void {
  if (kind.wantsToRun(written) === running) return;
  const words = `${kind.resource.apiVersion} ${kind.resource.kind} did not take that it is to ${running ? 'run' : 'pause'}`;
  throw refused(diagnosis('SANDBOX_API_MISMATCH', words));
}

const stillEnding = ({ kind, metadata }: KubernetesObject): DomainError =>
  new DomainError('CONFLICT', `the former ${kind} ${metadata.name} is still being deleted`);

const refused = ({ reason, message }: Diagnosis): ActionRefused => new ActionRefused(reason, message);

/** What of the cluster's refusals people can act on. Everything else is tried again. */
export function refusedBecause(error: unknown): unknown {
  if (!(error instanceof ClusterRefusal)) return error;
  const known: Partial<Record<typeof error.reason, FailureReason>> = {
    QUOTA_REFUSED: 'QUOTA_REFUSED',
    ADMISSION_REFUSED: 'ADMISSION_REFUSED',
    NAMESPACE_TERMINATING: 'NAMESPACE_TERMINATING',
    NOT_PERMITTED: 'NOT_PERMITTED',
  };
  const reason = known[error.reason] ?? (error.reason === 'INVALID' ? refusal(error.message).reason : undefined);
  return reason ? refused(diagnosis(reason, error.message)) : error;
}
