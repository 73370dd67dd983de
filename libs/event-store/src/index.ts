export * from './event-store.js';
export * from './memory-event-store.js';
export * from './jetstream-event-store.js';
export * from './commands.js';
export * from './as-of.js';
export * from './record.js';
export * from './service-context.js';
