import { DEFAULT_USER, SERVICE_PREFIX, type DiscoveredRoute, type RouteRecord } from '@sandlot/contracts';
import type { Caller } from './authentication.js';
import type { Answer, Directory } from './directory.js';
import { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';

/** What a request is for, however it names it: a path, or the authority of a tunnel. */
export interface SandboxAddress {
  /** Undefined: the caller's own. */
  username: string | undefined;
  sandbox: string;
  /** A declared port's number or name; undefined: the sandbox's default port. */
  port: string | undefined;
}

/** Seconds after which to ask again, by what the sandbox is doing; the other states do not pass by themselves. */
const RETRY_AFTER: Partial<Record<RouteRecord['state'], number>> = { starting: 1, resuming: 1 };
const DEFAULT_RETRY_AFTER = 5;

/** Where a request goes. Of what somebody else has made, nothing is known but this: it cannot be woken. */
export type Route = RouteRecord | DiscoveredRoute;

/**
 * The route of a target, after checking that the sandbox is the caller's. Somebody else's sandbox and one that does not exist get
 * the same answer. Administrators may cross, by the address that names the user. An own sandbox comes before one that was discovered.
 * Not async: what is in memory is answered at once.
 */
export function findRoute(
  directory: Directory,
  caller: Caller,
  target: SandboxAddress,
  trail: RequestTrail,
): Route | Refusal | Promise<Route | Refusal> {
  trail.sandbox = target.sandbox;
  const username = target.username ?? caller.username;
  if (username === DEFAULT_USER) return lookForDiscovered(directory, caller, username, target.sandbox, trail);
  if (username !== caller.username && caller.role !== 'admin') return notFound('only administrators reach into the sandboxes of others');
  const route = directory.route(username, target.sandbox);
  if (route instanceof Promise || !route || isRising(route)) return look(directory, caller, username, target.sandbox, route, trail);
  return own(route, caller, username, trail);
}

async function look(
  directory: Directory,
  caller: Caller,
  username: string,
  sandbox: string,
  answer: Answer<RouteRecord>,
  trail: RequestTrail,
): Promise<Route | Refusal> {
  let route = await answer;
  const [, plain] = namesOf(sandbox);
  if (!route && plain !== undefined) route = await directory.route(username, plain);
  if (!route) return lookForDiscovered(directory, caller, username, sandbox, trail);
  if (isRising(route)) route = await directory.freshRoute(username, route.name);
  return own(route, caller, username, trail);
}

async function lookForDiscovered(
  directory: Directory,
  caller: Caller,
  username: string,
  sandbox: string,
  trail: RequestTrail,
): Promise<Route | Refusal> {
  for (const name of namesOf(sandbox)) {
    const route = await directory.discovered(username, name);
    if (route) return discovered(route, caller, username, trail);
  }
  return notFound('there is no route of this name');
}

/** The name as it was sent, and the one that is meant where it is an older proxy's name of a service. */
function namesOf(sandbox: string): readonly [string] | readonly [string, string] {
  return sandbox.startsWith(SERVICE_PREFIX) ? [sandbox, sandbox.slice(SERVICE_PREFIX.length)] : [sandbox];
}

/** A username is never given out twice, so the label that names it says whose it is. */
function discovered(route: DiscoveredRoute, caller: Caller, username: string, trail: RequestTrail): Route | Refusal {
  const theirs = username === caller.username || route.shared;
  if (!theirs && caller.role !== 'admin') return notFound();
  trail.sandboxId = route.uid;
  trail.sandbox = route.name;
  trail.crossing = !theirs;
  return route;
}

function own(route: RouteRecord | undefined, caller: Caller, username: string, trail: RequestTrail): RouteRecord | Refusal {
  const crossing = username !== caller.username;
  if (!route) return notFound('there is no route of this name');
  if (route.owner !== caller.userId && !crossing) return notFound('the route belongs to another user');
  if (route.state === 'deleting' || route.state === 'deleted') return over(route);
  trail.sandboxId = route.sandboxId;
  trail.sandbox = route.name;
  trail.crossing = crossing;
  return route;
}

function isRising({ state }: RouteRecord): boolean {
  return state === 'starting' || state === 'resuming';
}

/** The port that is wanted of a sandbox that runs; undefined when it declares none such. */
export function portOf(route: Pick<Route, 'ports'>, wanted: string | undefined): RouteRecord['ports'][number] | undefined {
  return wanted === undefined ? route.ports[0] : route.ports.find(({ name, port }) => name === wanted || String(port) === wanted);
}

export function notReady(state: RouteRecord['state'], retryAfter = RETRY_AFTER[state] ?? DEFAULT_RETRY_AFTER): Refusal {
  return new Refusal('SANDBOX_NOT_READY', 'Sandbox not ready', { retryAfter, state });
}

/** @param reason for the record, never for the client */
export function notFound(reason?: string): Refusal {
  return new Refusal('SANDBOX_NOT_FOUND', 'Sandbox not found', reason === undefined ? {} : { reason });
}

/** Of one that is no more, or about to be: what ended it, where that was one of its limits. */
export function over({ state, reason }: Pick<RouteRecord, 'state' | 'reason'>): Refusal {
  return reason === undefined ? notFound(`it is ${state}`) : new Refusal('SANDBOX_GONE', 'The sandbox is gone', { end: reason });
}
