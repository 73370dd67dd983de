/**
 * Read models in PostgreSQL, folded from the log. What is promised:
 * - Each event takes effect exactly once: a batch and the checkpoint behind it are one transaction, and the transaction only counts when the
 *   checkpoint stood where the batch begins. Who else writes to a slot, has lost its lock or was asleep has no effect.
 * - Events are applied in the order of the log, none is left out: positions are contiguous, each aggregate's versions and hashes follow each
 *   other, and the event at the checkpoint is the one that was read. Otherwise the read model halts there, says why and what to do.
 * - One read model's trouble is its own. PostgreSQL or NATS away is waited for. All rows can be deleted: they come back from the log.
 * - A rebuild fills the other slot and is shown at once and whole, never showing less than what was shown before.
 *
 * What is not: queries see the past of some milliseconds ago (`reached` waits). A transaction that reads more than once, at a stricter
 * level than the default, may find the old slot emptied after a switch. Reactions to events belong in libs/consumers.
 */
export * from './read-model.js';
export * from './rows.js';
export { copyInto, type Copy, type CopyRow } from './copy.js';
export { checkpointTables, everybody, slotTables } from './slots.js';
export { ProjectionRunner, type ProjectionRunnerOptions } from './projection-runner.js';
export { LogVerification } from './log-verification.js';
export type { ModelQuery } from './as-of.js';
export { compareWithFold, type CompareOptions, type Comparison } from './compare-with-fold.js';
export { dataSource, writerPool } from './data-source.js';
export { migrate, migrationPlan, type MigrateOptions, type MigrationPlan } from './migrate.js';
export { NewerDatabase, type Migration } from './schema-floor.js';
export type { RolePasswords, ServiceDatabase } from './roles.js';
export { ReadSide, type ReadSideOptions } from './read-side.js';
export { rowPerAggregate, type RowPerAggregate } from './row-per-aggregate.js';
export { loadsTable, StreamLoader, type StreamLoaderOptions } from './stream-loader.js';
export type { Query } from './transaction.js';
