import { DEFAULT_USER, Username, type DiscoveredRoute } from '@sandlot/contracts';

/** A Sandbox object that somebody else made, as the cluster has it. */
export interface ForeignSandbox {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Its label `user`. */
  readonly user: string | undefined;
  /** Whose namespace it is in, where that is one of Sandlot's users'. */
  readonly tenant: string | undefined;
  readonly state: DiscoveredRoute['state'];
  /** Of its pod, the default first; empty while that is not ready. */
  readonly ports: DiscoveredRoute['ports'];
  /** Its pod has its node's address. */
  readonly onHostNetwork: boolean;
}

/** Why it is not routed: a stable code, and words that say what to do. */
export interface Objection {
  readonly reason: 'NAME_NOT_ADDRESSABLE' | 'USER_NOT_VALID' | 'NAMESPACE_OF_ANOTHER' | 'HOST_NETWORK' | 'NAME_CLASH' | 'NAME_TAKEN';
  readonly message: string;
}

/** What a path can name (services/proxy/src/request-target.ts). */
const addressable = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export const usernameOf = ({ user }: Pick<ForeignSandbox, 'user'>): string => user ?? DEFAULT_USER;

/** `<user>_<name>`, which neither of them can hold; undefined for what no path can name. */
export function addressOf(sandbox: Pick<ForeignSandbox, 'user' | 'name'>): string | undefined {
  return misnamed(sandbox) || misuser(sandbox) ? undefined : `${usernameOf(sandbox)}_${sandbox.name}`;
}

export function partsOf(address: string): { username: string; name: string } {
  const [username = '', name = ''] = address.split('_');
  return { username, name };
}

type Check = (sandbox: ForeignSandbox) => Objection | undefined;

const checks: readonly Check[] = [misnamed, misuser, misplaced, exposed];

/** What speaks against an object by itself, whatever others there are. Such a one stands in no other's way. */
export function objectionTo(sandbox: ForeignSandbox): Objection | undefined {
  for (const check of checks) {
    const objection = check(sandbox);
    if (objection) return objection;
  }
  return undefined;
}

function misnamed({ name }: Pick<ForeignSandbox, 'name'>): Objection | undefined {
  if (addressable.test(name)) return undefined;
  return {
    reason: 'NAME_NOT_ADDRESSABLE',
    message: `no path can name ${name}: it takes [a-z]([a-z0-9-]*[a-z0-9])? of at most 63 characters`,
  };
}

function misuser({ user }: Pick<ForeignSandbox, 'user'>): Objection | undefined {
  if (user === undefined || user === DEFAULT_USER || Username.safeParse(user).success) return undefined;
  return { reason: 'USER_NOT_VALID', message: `its label user=${user} can be no user's name: change it, or take it off` };
}

/** Whoever may write in one user's namespace must not get the requests of another, nor those of everybody. */
function misplaced({ tenant, namespace, ...sandbox }: ForeignSandbox): Objection | undefined {
  if (tenant === undefined || usernameOf(sandbox) === tenant) return undefined;
  return {
    reason: 'NAMESPACE_OF_ANOTHER',
    message: `${namespace} is the namespace of ${tenant}: in it only the label user=${tenant} counts`,
  };
}

/** The proxy would be a way to whatever else its node listens on. */
function exposed({ onHostNetwork }: ForeignSandbox): Objection | undefined {
  return onHostNetwork ? { reason: 'HOST_NETWORK', message: "its pod shares its node's network: set hostNetwork to false" } : undefined;
}
