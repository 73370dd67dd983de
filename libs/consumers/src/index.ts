/**
 * Reactions: what a service does because of an event. What it promises:
 * - Each event of a durable consumer's subjects reaches its handler at least once, also over crashes of either side. None is passed over
 *   silently: it is acknowledged, comes again, or becomes a dead letter.
 * - No more than `concurrency` at a time in a process; a slow one neither times out nor makes those behind it time out.
 * - What a ReconcileLoop runs, it never runs twice at once for one id in a process.
 *
 * What it does not: order, of anything; events of one aggregate may be handled at the same time, twice, or the older one last. So a handler
 * only wakes, and what it wakes reads the state. Several processes of a service share a consumer; their loops know nothing of each other.
 */
export { idsOf } from './aggregates.js';
export { contextFrom } from './command-context.js';
export { ConsumerAdmin, type ConsumerAdminOptions } from './consumer-admin.js';
export { DurableConsumer, OnEvent, type Delivery, type DurableConsumerOptions, type HandlerClass } from './durable-consumer.js';
export { backoff, dead, retry, type FailurePolicy } from './failure-policy.js';
export { JetStreamServer, type JetStreamServerOptions } from './jetstream-server.js';
export { ReconcileLoop, type ReconcileLoopOptions, type Reconciled } from './reconcile-loop.js';
