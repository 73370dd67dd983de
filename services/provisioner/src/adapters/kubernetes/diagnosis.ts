import type { KubernetesObject } from './cluster.js';
import { conditionOf, containerOf, hasEnded, isOnLostNode, type Pod, type Terminated } from './pod.js';

/** Why a sandbox does not run: the cluster's own words, and what to do. */
export interface Diagnosis {
  reason: FailureReason;
  message: string;
}

/** What a sandbox is seen as while it should run and does not. */
export type Trouble = ({ failed: true } & Diagnosis) | { failed: false; reason?: string; message?: string };

/** What each reason asks for. The same for everybody, so that it can be looked up: docs/reference/sandbox-failures.md. */
export const advice = {
  IMAGE_PULL_FAILED: 'check the name of the image and that the cluster may pull it; it is tried again by itself',
  UNSCHEDULABLE: 'ask for less, for another node selector or toleration, or have nodes added; it starts by itself when there is room',
  VOLUME_PENDING: 'check that the storage class exists and can make volumes; it starts by itself when the volume is there',
  VOLUME_NOT_MOUNTED: 'check the volume, the secret or the bucket that is named; it is tried again by itself',
  CONTAINER_CONFIG_INVALID: 'check that the secret and the key that are named exist; it is tried again by itself',
  CONTAINER_NOT_STARTED: 'check the command and the runtime class; it is tried again by itself',
  RUNTIME_CRASHED: 'it is started again',
  OUT_OF_MEMORY: 'give it a higher memory limit; it is started again',
  CRASH_LOOP: 'look at what it runs; it is started again after longer and longer pauses, or pause it',
  EVICTED: 'it is started again elsewhere, with its volume',
  PREEMPTED: 'it is started again when there is room, with its volume',
  POD_FAILED: 'it is replaced, with its volume',
  POD_VANISHED: 'it is replaced, with its volume',
  NODE_LOST: 'it goes on when the node is back; delete the Node object when it will not be, and the sandbox starts elsewhere',
  QUOTA_REFUSED: 'delete or pause another sandbox, or ask an administrator for more; it starts by itself when there is room',
  ADMISSION_REFUSED: "change what is refused, or ask the cluster's operator; it is tried again by itself",
  NAMESPACE_TERMINATING: 'it is made again when the namespace is gone; if that never ends, see which finalizers hold it',
  POD_REFUSED: 'it is tried again by itself',
  NOT_PERMITTED: 'the provisioner lacks a right: see deploy/rbac/provisioner.yaml',
  NAME_TAKEN: 'an object of that name exists that Sandlot did not make; it is left alone: remove or rename it',
  VOLUME_NOT_OURS: 'a volume claim of that name exists that does not belong to this user; it is left alone: remove or rename it',
  DELETION_HELD: 'whoever has set them has to finish, or take them off; it is gone when they are',
  WORKLOAD_TERMINATING: 'it is made again when it is gone; if that never ends, see which finalizers hold it',
  SANDBOX_API_MISMATCH: 'check the version of the agent-sandbox CRD',
} as const;
export type FailureReason = keyof typeof advice;

export const diagnosis = (reason: FailureReason, words: string): Diagnosis => ({
  reason,
  message: `${words
    .trim()
    .replace(/[.;]+$/, '')
    .slice(0, 1_000)}; ${advice[reason]}`,
});

/** An event of type Warning. */
export interface Warning extends KubernetesObject {
  involvedObject?: { kind?: string; namespace?: string; name?: string; uid?: string };
  reason?: string;
  message?: string;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  series?: { lastObservedTime?: string };
}

export interface Circumstances {
  /** What the workload's controller says of it. */
  complaint: string | undefined;
  pod: Pod | undefined;
  claims: readonly KubernetesObject[];
  /** Of the workload, its pod and its claims, newest last. */
  warnings: readonly Warning[];
  /** The uid of the workload. */
  workload: string;
}

type Check = (circumstances: Circumstances & { pod: Pod }) => Diagnosis | undefined;

/** Of a pod that is there and not ready, the most telling first. */
const checks: readonly Check[] = [ended, terminating, unschedulable, waiting, notMounted, lostNode, crashed];

/** Why something that should run does not. Pure: told from what the cluster has said, never from what has not come yet. */
export function troubleOf(circumstances: Circumstances): Trouble {
  const { pod } = circumstances;
  if (!pod) {
    const refused = refusedPod(circumstances);
    return refused ? { failed: true, ...refused } : { failed: false, ...diagnosis('POD_VANISHED', 'there is no pod of it') };
  }
  for (const check of checks) {
    const found = check({ ...circumstances, pod });
    if (found) return { failed: true, ...found };
  }
  const words = conditionOf(pod, 'Ready')?.message ?? 'its pod is starting';
  return { failed: false, reason: 'NOT_READY', message: warningOf(circumstances, pod.metadata.uid, /^Unhealthy$/)?.message ?? words };
}

/** The controller wanted to make a pod, and the API server did not let it. */
function refusedPod({ complaint, warnings, workload }: Circumstances): Diagnosis | undefined {
  const words =
    complaint ?? warnings.findLast(({ involvedObject, reason }) => involvedObject?.uid === workload && reason === 'FailedCreate')?.message;
  if (words === undefined || /status unknown for quota/.test(words)) return undefined; // which is over in a moment
  return refusal(words);
}

/** What a refusal by the API server means, told from its words where nothing else is to be had. */
export function refusal(words: string): Diagnosis {
  if (/exceeded quota|must specify (requests|limits)|(maximum|minimum) (cpu|memory) usage per/i.test(words))
    return diagnosis('QUOTA_REFUSED', words);
  if (/is being terminated|NamespaceTerminating/i.test(words)) return diagnosis('NAMESPACE_TERMINATING', words);
  if (/forbidden|denied|admission|PodSecurity|is invalid/i.test(words)) return diagnosis('ADMISSION_REFUSED', words);
  return diagnosis('POD_REFUSED', words);
}

function terminating({ pod }: { pod: Pod }): Diagnosis | undefined {
  if (pod.metadata.deletionTimestamp === undefined) return undefined;
  if (isOnLostNode(pod)) return lostNode({ pod });
  const { finalizers = [] } = pod.metadata;
  const held = finalizers.length > 0 ? `, held by the finalizers ${finalizers.join(', ')}` : '';
  const disruption = conditionOf(pod, 'DisruptionTarget');
  if (disruption?.status !== 'True') return diagnosis('POD_VANISHED', `the pod ${pod.metadata.name} is being deleted by somebody${held}`);
  const words = `${disruption.reason}: ${disruption.message ?? `the pod ${pod.metadata.name} is being evicted`}${held}`;
  return diagnosis(disruption.reason === 'PreemptionByScheduler' ? 'PREEMPTED' : 'EVICTED', words);
}

function ended({ pod }: { pod: Pod }): Diagnosis | undefined {
  if (!hasEnded(pod)) return undefined;
  const { reason, message } = pod.status ?? {};
  if (reason === 'Evicted' || conditionOf(pod, 'DisruptionTarget')?.reason === 'TerminationByKubelet')
    return diagnosis('EVICTED', message ?? 'the node has evicted the pod');
  if (reason === 'Preempting' || reason === 'Preempted') return diagnosis('PREEMPTED', message ?? 'the pod had to make room');
  const terminated = containerOf(pod)?.state?.terminated;
  if (message === undefined && terminated) return diagnosis('POD_FAILED', wordsOf(terminated));
  return diagnosis('POD_FAILED', [reason, message ?? `the pod ${pod.metadata.name} has ended`].filter(Boolean).join(': '));
}

function unschedulable({ pod, claims, warnings }: Circumstances & { pod: Pod }): Diagnosis | undefined {
  const scheduled = conditionOf(pod, 'PodScheduled');
  if (scheduled?.status !== 'False' || scheduled.reason !== 'Unschedulable') return undefined;
  const words = scheduled.message ?? 'no node can take the pod';
  if (!/persistentvolumeclaim|volume/i.test(words)) return diagnosis('UNSCHEDULABLE', words);
  return diagnosis('VOLUME_PENDING', notProvisioned({ claims, warnings }) ?? words);
}

/** As much of a claim as tells whether there is a volume. */
interface VolumeClaim extends KubernetesObject {
  spec?: { storageClassName?: string };
  status?: { phase?: string };
}

const isPending = ({ status }: VolumeClaim): boolean => status?.phase !== 'Bound';

function notProvisioned({ claims, warnings }: Pick<Circumstances, 'claims' | 'warnings'>): string | undefined {
  const uids = new Set(claims.filter(isPending).map(({ metadata }) => metadata.uid));
  return warnings.findLast(({ involvedObject, reason }) => uids.has(involvedObject?.uid) && reason === 'ProvisioningFailed')?.message;
}

/** Clouds take seconds for a volume. */
const volumeMadeWithinMs = 20_000;

/**
 * Until when volumes are only being made, in ms since 1970: the scheduler calls a pod unschedulable from the first moment, and for a moment
 * longer. Undefined when the cluster has said that one is not made, or nobody is asked to make it.
 */
export function volumesAwaitedUntil({ claims, warnings }: Pick<Circumstances, 'claims' | 'warnings'>, words: string): number | undefined {
  const unasked = (claims as readonly VolumeClaim[]).some((claim) => isPending(claim) && !claim.spec?.storageClassName);
  if (unasked || !/unbound immediate|not found/.test(words) || notProvisioned({ claims, warnings }) !== undefined) return undefined;
  return Math.max(...claims.map(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '') + volumeMadeWithinMs));
}

const waitingReasons: Record<string, FailureReason> = {
  ErrImagePull: 'IMAGE_PULL_FAILED',
  ImagePullBackOff: 'IMAGE_PULL_FAILED',
  ErrImageNeverPull: 'IMAGE_PULL_FAILED',
  InvalidImageName: 'IMAGE_PULL_FAILED',
  ImageInspectError: 'IMAGE_PULL_FAILED',
  RegistryUnavailable: 'IMAGE_PULL_FAILED',
  SignatureValidationFailed: 'IMAGE_PULL_FAILED',
  CreateContainerConfigError: 'CONTAINER_CONFIG_INVALID',
  CreateContainerError: 'CONTAINER_NOT_STARTED',
  RunContainerError: 'CONTAINER_NOT_STARTED',
  PreCreateHookError: 'CONTAINER_NOT_STARTED',
  PostStartHookError: 'CONTAINER_NOT_STARTED',
};

function waiting({ pod, warnings }: Circumstances & { pod: Pod }): Diagnosis | undefined {
  const container = containerOf(pod);
  const { reason = '', message } = container?.state?.waiting ?? {};
  if (reason === 'CrashLoopBackOff') {
    const last = container?.lastState?.terminated;
    return crashOf(container?.restartCount ?? 0, last, message);
  }
  const known = waitingReasons[reason];
  if (!known) return undefined;
  // A later back-off says less than the first failure did.
  const first =
    known === 'IMAGE_PULL_FAILED' && /^Back-off/.test(message ?? '')
      ? warningOf({ warnings }, pod.metadata.uid, /^Failed$/, /pull/)
      : undefined;
  return diagnosis(known, [reason, first?.message ?? message].filter(Boolean).join(': '));
}

function notMounted({ pod, warnings }: Circumstances & { pod: Pod }): Diagnosis | undefined {
  const container = containerOf(pod);
  if (container && !container.state?.waiting) return undefined;
  const words = warningOf({ warnings }, pod.metadata.uid, /^(FailedMount|FailedAttachVolume|FailedMapVolume)$/)?.message;
  // The node was quicker than the API server, which is over when it tries again.
  if (words !== undefined && !/no relationship found between node/.test(words)) return diagnosis('VOLUME_NOT_MOUNTED', words);
  const box = warningOf({ warnings }, pod.metadata.uid, /^FailedCreatePodSandBox$/)?.message;
  return box === undefined ? undefined : diagnosis('CONTAINER_NOT_STARTED', box);
}

function lostNode({ pod }: { pod: Pod }): Diagnosis | undefined {
  if (!isOnLostNode(pod)) return undefined;
  return diagnosis('NODE_LOST', `the cluster does not hear from the node ${pod.spec?.nodeName} any more`);
}

function crashed({ pod }: { pod: Pod }): Diagnosis | undefined {
  const container = containerOf(pod);
  const last = container?.state?.terminated ?? container?.lastState?.terminated;
  return container && last ? crashOf(container.restartCount, last, undefined) : undefined;
}

/** Who has run for this long does not crash in a loop. */
const healthyMs = 60_000;

function crashOf(restarts: number, last: Terminated | undefined, message: string | undefined): Diagnosis {
  if (last?.reason === 'OOMKilled') return diagnosis('OUT_OF_MEMORY', wordsOf(last));
  const ranMs = last?.startedAt && last.finishedAt ? Date.parse(last.finishedAt) - Date.parse(last.startedAt) : 0;
  const words = last ? wordsOf(last) : (message ?? 'it ends again and again');
  if (restarts < 2 || ranMs >= healthyMs) return diagnosis('RUNTIME_CRASHED', words);
  return diagnosis('CRASH_LOOP', `${words}, ${restarts} times by now`);
}

function wordsOf({ exitCode, signal, reason, message }: Terminated): string {
  const how = signal ? `by signal ${signal}` : `with exit code ${exitCode}`;
  const why = reason && reason !== 'Error' && reason !== 'Completed' ? ` (${reason})` : '';
  return `the container ended ${how}${why}${message ? `: ${message}` : ''}`;
}

function warningOf(
  { warnings }: { warnings: readonly Warning[] },
  uid: string | undefined,
  reasons: RegExp,
  words = /./,
): Warning | undefined {
  return warnings.findLast(
    ({ involvedObject, reason, message }) => involvedObject?.uid === uid && reasons.test(reason ?? '') && words.test(message ?? ''),
  );
}
