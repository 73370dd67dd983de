export { endProcesses, findProcesses, type ProcessFamily } from './execute/processes.js';
export { markerName } from './execute/execution.js';
export type { RuntimeOptions } from './options.js';
export { startRuntime, type Runtime } from './runtime.js';
