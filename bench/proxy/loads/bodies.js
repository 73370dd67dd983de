import { Agent, request } from 'node:http';
import { cpuOf } from '../forwarders.js';

const BODY = Buffer.alloc(16 * 1024 * 1024);
const PER_GIB = 64;
const AT_ONCE = 4;

/** Bodies of 16 MiB, four at a time. @returns the forwarder's CPU in seconds per GiB */
export async function bodies({ port, path, headers, pid }, method, gibs) {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const once = () =>
    new Promise((done, failed) => {
      const outgoing = request({ port, host: '127.0.0.1', path, method, headers, agent }, (response) => {
        if (response.statusCode !== 200) failed(new Error(`answered ${response.statusCode}`));
        response.resume().on('end', done).on('error', failed);
      });
      outgoing.on('error', failed).end(method === 'GET' ? undefined : BODY);
    });
  const several = async (count) => {
    for (let i = 0; i < count; i += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, once));
  };
  await several(PER_GIB / 4);
  const before = cpuOf(pid);
  await several(PER_GIB * gibs);
  agent.destroy();
  return (cpuOf(pid) - before) / 1e6 / gibs;
}
