export { DataPlane, type DataPlaneOptions } from './data-plane.js';
export { DirectoryUnavailable, type Answer, type Directory } from './directory.js';
export type { IdentitySigner } from './identity.js';
export { proxyConfig } from './config.js';
export { proxyService, PublicPort } from './proxy.module.js';
export { TrafficMetrics } from './traffic-metrics.js';
export { RecordBatches } from './record-batches.js';
export type { Recorder } from './record.js';
export type { UpstreamPoolOptions } from './upstream-pool.js';
