import type { RouteRecord } from '@sandlot/contracts';
import type { Caller } from './authentication.js';
import type { Directory } from './directory.js';
import { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import type { SandboxTarget } from './request-target.js';

/** Seconds after which to ask again, by what the sandbox is doing; the other states do not pass by themselves. */
const RETRY_AFTER: Partial<Record<RouteRecord['state'], number>> = { starting: 1, resuming: 1 };
const DEFAULT_RETRY_AFTER = 5;
/** Older proxies named the service of sandbox `x` `sandbox-x`, and clients use that name in paths. */
const SERVICE_PREFIX = 'sandbox-';

/**
 * The address to dial for a target, after checking that the sandbox is the caller's. Somebody else's sandbox and one that does
 * not exist get the same answer. Administrators may cross, by the address that names the user.
 */
export async function findAddress(
  directory: Directory,
  caller: Caller,
  target: SandboxTarget,
  trail: RequestTrail,
): Promise<string | Refusal> {
  trail.sandbox = target.sandbox;
  const username = target.username ?? caller.username;
  const crossing = username !== caller.username;
  if (crossing && caller.role !== 'admin') return notFound();

  const answer = directory.route(username, target.sandbox);
  let route = answer instanceof Promise ? await answer : answer;
  if (!route && target.sandbox.startsWith(SERVICE_PREFIX)) {
    route = await directory.route(username, target.sandbox.slice(SERVICE_PREFIX.length));
  }
  if (route?.state === 'starting' || route?.state === 'resuming') route = await directory.freshRoute(username, route.name);
  if (!route || route.state === 'deleting' || route.state === 'deleted') return notFound();
  if (route.owner !== caller.userId && !crossing) return notFound();

  trail.sandboxId = route.sandboxId;
  trail.sandbox = route.name;
  if (route.state !== 'running') {
    const retryAfter = RETRY_AFTER[route.state] ?? DEFAULT_RETRY_AFTER;
    return new Refusal('SANDBOX_NOT_READY', 'Sandbox not ready', { retryAfter, state: route.state });
  }
  return portOf(route, target.port);
}

function portOf(route: RouteRecord, wanted: string | undefined): string | Refusal {
  const port = wanted === undefined ? route.ports[0] : route.ports.find(({ name, port }) => name === wanted || String(port) === wanted);
  if (port) return port.address;
  if (wanted !== undefined && route.ports.length > 0) return new Refusal('NOT_FOUND', 'The sandbox does not declare this port');
  return new Refusal('SANDBOX_NOT_READY', 'Sandbox not ready', { retryAfter: 1, state: 'starting' });
}

function notFound(): Refusal {
  return new Refusal('SANDBOX_NOT_FOUND', 'Sandbox not found');
}
