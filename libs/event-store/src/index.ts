/**
 * The log. What it promises:
 * - An append is stored whole or not at all, on each aggregate only at the revision that it expects, and is on disk before it is answered.
 * - Each aggregate's events have contiguous versions and carry each other's hashes; who reads an aggregate checks both.
 * - Reading an aggregate gives at least all that was acknowledged before the read began. Positions order the whole log.
 * - A repeated append or command (same command id) takes effect once, for as long as the log lives.
 * - Nothing waits without end: no answer within the deadline is `unknown`, and the same append again finds out.
 *
 * What it does not: order between aggregates that no append joins is whatever the log made of it; losing a race costs a new decision, and
 * there is no fairness between processes. Read models lag (libs/projections). JetStream does not tell of a flipped bit: `verifyLog`,
 * the next read or the next event of that aggregate does.
 */
export * from './event-store.js';
export * from './memory-event-store.js';
export * from './jetstream-event-store.js';
export * from './commands.js';
export * from './domain-stream.js';
export * from './subject-keys.js';
export * from './master-key.js';
export * from './personal-data.js';
export * from './log-verifier.js';
export * from './record.js';
export * from './delivered.js';
export { activeTraceparent } from './append-trace.js';
export * from './as-of.js';
export * from './service-context.js';
