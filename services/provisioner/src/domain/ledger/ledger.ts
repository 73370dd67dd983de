import { DomainError, unreachable, type Decider, type SandboxId } from '@sandlot/kernel';
import {
  milliOf,
  quantityOf,
  QuotaSet,
  sameQuota,
  SandboxAdmitted,
  SandboxReleased,
  type Holding,
  type LedgerEvent,
  type Quota,
} from '@sandlot/contracts';

/** A sandbox's name, and what it takes of the quota. */
export type Held = Holding & { name: string };

/** What one user holds: the names of their sandboxes, and how much more they may have. */
export interface Ledger {
  /** Undefined until somebody has set it: the platform's default counts. */
  readonly quota?: Quota;
  readonly sandboxes: ReadonlyMap<SandboxId, Held>;
  /** Which sandboxes had a name before, newest first, the last 20 of each: a command that was meant for one must not hit its successor. */
  readonly former: ReadonlyMap<string, readonly SandboxId[]>;
}

const remembered = 20;

export type LedgerCommand =
  | { type: 'AdmitSandbox'; sandboxId: SandboxId; name: string; holds?: Holding | undefined; defaultQuota: Quota }
  | { type: 'ReleaseSandbox'; sandboxId: SandboxId }
  | { type: 'SetQuota'; quota: Quota };

export const ledgerDecider: Decider<Ledger, LedgerCommand, LedgerEvent> = {
  initialState: { sandboxes: new Map(), former: new Map() },
  decide,
  evolve,
};

export function decide(command: LedgerCommand, ledger: Ledger): LedgerEvent[] {
  switch (command.type) {
    case 'AdmitSandbox':
      return admit(command, ledger);
    case 'ReleaseSandbox':
      return ledger.sandboxes.has(command.sandboxId) ? [SandboxReleased({ sandboxId: command.sandboxId })] : [];
    case 'SetQuota':
      return sameQuota(command.quota, ledger.quota) ? [] : [QuotaSet({ quota: command.quota })];
    default:
      return unreachable(command);
  }
}

type Admission = Extract<LedgerCommand, { type: 'AdmitSandbox' }>;

/**
 * Paused sandboxes count in full: what is paused can always be resumed. The limits count and not the requests, since only they say what a
 * user can take from others.
 */
function admit({ sandboxId, name, holds = {}, defaultQuota }: Admission, ledger: Ledger): LedgerEvent[] {
  if (sandboxNamed(ledger, name)) throw new DomainError('SANDBOX_EXISTS', `a sandbox named ${name} exists already`);
  const quota = ledger.quota ?? defaultQuota;
  const limit = quota.sandboxes;
  if (ledger.sandboxes.size >= limit)
    throw new DomainError('QUOTA_EXCEEDED', `${ledger.sandboxes.size} of ${limit} sandboxes are in use`, {
      limit,
      holders: holdersOf(ledger),
    });
  for (const resource of ['cpu', 'memory'] as const) requireRoom(resource, holds[resource], quota[resource], ledger);
  return [SandboxAdmitted({ sandboxId, name, ...(Object.keys(holds).length > 0 && { holds }) })];
}

function requireRoom(resource: 'cpu' | 'memory', asked: string | undefined, limit: string, ledger: Ledger): void {
  const used = usedOf(ledger)[resource];
  if (asked === undefined || milliOf(used) + milliOf(asked) <= milliOf(limit)) return;
  const what = resource === 'cpu' ? 'CPU' : 'memory';
  const never = milliOf(asked) > milliOf(limit);
  throw new DomainError(
    'QUOTA_EXCEEDED',
    never
      ? `${asked} of ${what} is more than the whole quota, ${limit}`
      : `${used} of ${limit} ${what} are in use, which leaves less than ${asked}`,
    { resource, limit, used, asked, holders: never ? [] : holdersOf(ledger) },
  );
}

/** What the limits of all sandboxes come to. */
export function usedOf(ledger: Ledger): { sandboxes: number; cpu: string; memory: string } {
  const sum = (resource: 'cpu' | 'memory') => {
    let milli = 0;
    for (const held of ledger.sandboxes.values()) milli += held[resource] === undefined ? 0 : milliOf(held[resource]);
    return quantityOf(resource, milli);
  };
  return { sandboxes: ledger.sandboxes.size, cpu: sum('cpu'), memory: sum('memory') };
}

export function evolve(ledger: Ledger, event: LedgerEvent): Ledger {
  switch (event.type) {
    case 'ledger.sandbox-admitted.v1':
      return admitted(ledger, event.data);
    case 'ledger.sandbox-released.v1':
      return release(event.data.sandboxId, ledger);
    case 'ledger.quota-set.v1':
      return { ...ledger, quota: event.data.quota };
    default:
      return ledger;
  }
}

function admitted(ledger: Ledger, { sandboxId, name, holds }: { sandboxId: SandboxId; name: string; holds?: Holding | undefined }): Ledger {
  return { ...ledger, sandboxes: new Map(ledger.sandboxes).set(sandboxId, { name, ...holds }) };
}

function release(sandboxId: SandboxId, ledger: Ledger): Ledger {
  const name = ledger.sandboxes.get(sandboxId)?.name;
  if (name === undefined) return ledger;
  const sandboxes = new Map([...ledger.sandboxes].filter(([id]) => id !== sandboxId));
  const former = [sandboxId, ...(ledger.former.get(name) ?? [])].slice(0, remembered);
  return { ...ledger, sandboxes, former: new Map(ledger.former).set(name, former) };
}

export function sandboxNamed(ledger: Ledger, name: string): SandboxId | undefined {
  for (const [id, held] of ledger.sandboxes) if (held.name === name) return id;
  return undefined;
}

export function holdersOf(ledger: Ledger): (Held & { sandboxId: SandboxId })[] {
  return [...ledger.sandboxes].map(([sandboxId, held]) => ({ sandboxId, ...held }));
}
