import type { SandboxAddress } from '@sandlot/contracts';
import type { ForeignSandbox } from '../../domain/discovery/foreign-sandbox.js';
import type { KubernetesObject } from './cluster.js';
import { isReady, type Pod } from './pod.js';
import { hostOf } from './route-address.js';
import { AGENT_SANDBOX_GROUP } from './sandbox-resources.js';
import { isOwnedBy, type Workload } from './workload.js';

const USER_LABEL = 'user';
const POD_NAME = `${AGENT_SANDBOX_GROUP}/pod-name`;

/** Where the pod of a Sandbox is; whether it is its own, its owner says. */
export const podNameOf = ({ metadata }: KubernetesObject): string => metadata.annotations?.[POD_NAME] || metadata.name;

/** Those that are going are as good as gone, and those of a pool wait for somebody to claim them. */
export const isThere = ({ metadata }: KubernetesObject): boolean =>
  metadata.deletionTimestamp === undefined && !(metadata.ownerReferences ?? []).some(({ kind }) => kind === 'SandboxWarmPool');

export const userOf = ({ metadata }: KubernetesObject): string | undefined => metadata.labels?.[USER_LABEL];

/**
 * A Sandbox of somebody else's. Its address is its pod's, never its Service's, nor what its status says: those may be written by whoever works
 * in its namespace, and would lead the proxy to wherever they want. A pod's own status is its node's to write.
 */
export function foreignSandbox(
  kind: Workload,
  object: KubernetesObject,
  named: Pod | undefined,
  { tenant, defaultPort }: { tenant: string | undefined; defaultPort: number },
): ForeignSandbox {
  const pod = named && isOwnedBy(named, object) ? named : undefined;
  const template = (object.spec as { podTemplate?: { spec?: Pod['spec'] } } | undefined)?.podTemplate?.spec;
  const running = kind.wantsToRun(object) && pod !== undefined && isReady(pod);
  return {
    uid: object.metadata.uid!,
    namespace: object.metadata.namespace!,
    name: object.metadata.name,
    user: userOf(object),
    tenant,
    state: !kind.wantsToRun(object) ? 'paused' : running ? 'running' : 'starting',
    ports: running ? portsOf(pod, defaultPort) : [],
    onHostNetwork: template?.hostNetwork === true || pod?.spec?.hostNetwork === true,
  };
}

/** What its containers declare, the usual port first where that is among them; that one alone where they declare none. */
function portsOf({ spec, status }: Pod, defaultPort: number): SandboxAddress[] {
  const declared = (spec?.containers ?? [])
    .flatMap(({ ports = [] }) => ports)
    .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
    .map(({ name, containerPort }) => ({ ...(name !== undefined && { name }), port: containerPort }));
  const distinct = [...new Map(declared.map((each) => [each.port, each])).values()];
  const listed = distinct.length > 0 ? distinct : [{ port: defaultPort }];
  const usualFirst = [...listed.filter(({ port }) => port === defaultPort), ...listed.filter(({ port }) => port !== defaultPort)];
  return usualFirst.map((each) => ({ ...each, address: `${hostOf(status!.podIP!)}:${each.port}` }));
}
