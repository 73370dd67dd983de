/*
 * A real Kubernetes for tests, from local processes alone. What is started here ends with the test process, however that ends.
 * docs/how-to/test-on-kubernetes.md says how to use it.
 */
export { startAgentSandbox } from './agent-sandbox.js';
export { ApiError, type ApiAccess, type KubernetesObject } from './api-client.js';
export {
  agentSandboxFiles,
  controlPlaneBinaries,
  helm3Binary,
  helmBinary,
  networkPoliciesBinary,
  nodeBinaries,
  prometheusBinaries,
} from './binaries.js';
export { certificateAuthority, type Authority, type Certificate } from './certificates.js';
export { startCluster, type TestCluster } from './cluster.js';
export type { ApiCall, CallMatch, Verb } from './api-call.js';
export { faultyApiServer, type Fault, type FaultRule, type FaultyApiServer } from './faulty-api-server.js';
export type { Image, ImageFile } from './image.js';
export { whyNoNetworkPolicies } from './network-policies.js';
export { whyNoNode } from './node-requirements.js';
export type { TestNode } from './node.js';
export { sandboxImage } from './sandbox-image.js';
export { platformImage } from './platform-image.js';
export { postgresImage } from './postgres-image.js';
