export { idsOf } from './aggregates.js';
export { contextFrom } from './command-context.js';
export { ConsumerAdmin, type ConsumerAdminOptions } from './consumer-admin.js';
export { DurableConsumer, OnEvent, type Delivery, type DurableConsumerOptions, type HandlerClass } from './durable-consumer.js';
export { backoff, dead, retry, type FailurePolicy } from './failure-policy.js';
export { JetStreamServer, type JetStreamServerOptions } from './jetstream-server.js';
export { ReconcileLoop, type ReconcileLoopOptions, type Reconciled } from './reconcile-loop.js';
