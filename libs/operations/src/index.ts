// What operators may do to a service's own machinery, the same in each: its read models, its durable consumers, their dead letters.
export * from './consumers.controller.js';
export * from './database-clock.js';
export * from './projections.controller.js';
