export { freePort } from '@sandlot/embedded';
export { atEnd, cleanUp } from './clean-up.js';
export { given } from './given.js';
export { startNatsCluster } from './nats-cluster.js';
export { runTwice } from './run-twice.js';
export { freshDatabase, natsServerBinary, startTestNats, startTestPostgres } from './servers.js';
export { stableTcpProxy, type StableTcpProxy } from './stable-tcp-proxy.js';
export { tempDir } from './temp-dir.js';
export { waitFor, type WaitOptions } from './wait-for.js';
