import { DEFAULT_USER, routeKey, SERVICE_PREFIX, type DiscoveredSandbox, type RouteRecord } from '@sandlot/contracts';
import type { Table } from '@sandlot/service-kit';
import { addressOf, objectionTo, partsOf, usernameOf, type ForeignSandbox } from './domain/discovery/foreign-sandbox.js';
import { verdictOn, type Rules, type Verdict } from './domain/discovery/verdict.js';
import type { ForeignSandboxes } from './ports.js';

export interface DiscoveredPageRequest {
  /** Everybody's without it, and what is not routed. */
  username?: string | undefined;
  limit: number;
  cursor?: string | undefined;
}

export interface DiscoveredPage {
  items: DiscoveredSandbox[];
  nextCursor: string | null;
  incomplete?: string;
}

/** Sandbox objects that somebody else made, and what becomes of each. From memory: the cluster has them, not the log. */
export class Discovered {
  constructor(
    private readonly foreign: ForeignSandboxes,
    private readonly own: Pick<Table<RouteRecord>, 'find'>,
    private readonly rules: Rules,
  ) {}

  async verdictAt(address: string): Promise<Verdict> {
    const candidates = this.foreign.at(address);
    return candidates.length === 0 ? 'nothing' : verdictOn(candidates, await this.isTaken(address), this.rules);
  }

  /** By namespace and name, which the cursor holds. */
  async page({ username, limit, cursor }: DiscoveredPageRequest): Promise<DiscoveredPage> {
    const incomplete = this.foreign.trouble();
    if (incomplete !== undefined) return { items: [], nextCursor: null, incomplete };
    const after = this.foreign
      .all()
      .filter((sandbox) => username === undefined || this.concerns(sandbox, username))
      .map((sandbox) => ({ sandbox, place: placeOf(sandbox) }))
      .filter(({ place }) => cursor === undefined || place > cursor)
      .sort((one, other) => (one.place < other.place ? -1 : 1));
    const page = after.slice(0, limit);
    const items = await Promise.all(page.map(({ sandbox }) => this.view(sandbox)));
    return { items, nextCursor: after.length > page.length ? page.at(-1)!.place : null };
  }

  /** Those that have an address; who is right where two have the same is not asked. */
  count(): number {
    return this.foreign.trouble() === undefined ? this.foreign.all().filter((sandbox) => !objectionTo(sandbox)).length : 0;
  }

  /** What speaks against an object by itself is the administrators' to know: its label may name anybody. */
  private concerns(sandbox: ForeignSandbox, username: string): boolean {
    const named = usernameOf(sandbox);
    return !objectionTo(sandbox) && (named === username || (named === DEFAULT_USER && this.rules.shared));
  }

  private async view(sandbox: ForeignSandbox): Promise<DiscoveredSandbox> {
    const { namespace, name, uid } = sandbox;
    const shown = { username: usernameOf(sandbox), name, namespace };
    const address = addressOf(sandbox);
    const verdict = address === undefined ? 'nothing' : await this.verdictAt(address);
    const objection = objectionTo(sandbox) ?? (verdict !== 'nothing' && 'objection' in verdict ? verdict.objection : undefined);
    if (objection) return { ...shown, ready: false, ...objection };
    if (verdict === 'nothing' || !('route' in verdict) || verdict.route.uid !== uid) return { ...shown, ready: false };
    const [port] = verdict.route.ports;
    return { ...shown, ...(port && { service: port.address.replace(/:\d+$/, '') }), ready: verdict.route.state === 'running' };
  }

  /** An own sandbox is also found by the name that its service had in older proxies. */
  private async isTaken(address: string): Promise<boolean> {
    const { username, name } = partsOf(address);
    if (username === DEFAULT_USER) return false;
    const names = [name, ...(name.startsWith(SERVICE_PREFIX) ? [name.slice(SERVICE_PREFIX.length)] : [])];
    const found = await Promise.all(names.map((each) => this.own.find(routeKey(username, each))));
    return found.some((each) => each !== undefined);
  }
}

const placeOf = ({ namespace, name }: ForeignSandbox): string => `${namespace}/${name}`;
