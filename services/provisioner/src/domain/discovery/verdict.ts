import { DEFAULT_USER, type DiscoveredRoute } from '@sandlot/contracts';
import { objectionTo, usernameOf, type ForeignSandbox, type Objection } from './foreign-sandbox.js';

export interface Rules {
  /** Whether every user may reach those that name no user; otherwise administrators alone. */
  shared: boolean;
}

export type Verdict = { route: DiscoveredRoute } | { objection: Objection } | 'nothing';

/**
 * What is routed at an address, of all the objects that would be there. An own sandbox always comes first. When there are two, in two
 * namespaces, nobody can tell which one is meant: neither is.
 *
 * @param taken whether a sandbox of Sandlot's own answers at that address
 */
export function verdictOn(candidates: readonly ForeignSandbox[], taken: boolean, { shared }: Rules): Verdict {
  const fit = candidates.filter((sandbox) => !objectionTo(sandbox));
  const [sandbox, ...others] = fit;
  if (!sandbox) return candidates[0] ? { objection: objectionTo(candidates[0])! } : 'nothing';
  if (taken) return { objection: nameTaken(sandbox) };
  if (others.length > 0) return { objection: nameClash(fit) };
  const { uid, namespace, name, state, ports } = sandbox;
  const username = usernameOf(sandbox);
  return { route: { uid, namespace, username, name, state, ports: [...ports], shared: shared && username === DEFAULT_USER } };
}

const nameTaken = (sandbox: ForeignSandbox): Objection => ({
  reason: 'NAME_TAKEN',
  message: `${usernameOf(sandbox)} has an own sandbox at this path, which comes first: delete that one, or give this one another name`,
});

const nameClash = (sandboxes: readonly ForeignSandbox[]): Objection => ({
  reason: 'NAME_CLASH',
  message: `Sandboxes of this user and name are in ${sandboxes.map(({ namespace }) => namespace).sort().join(' and ')}: none is routed until all but one have gone`, // prettier-ignore
});
