import { DomainError, unreachable, type Decider, type SandboxId } from '@sandlot/kernel';
import { QuotaSet, sameQuota, SandboxAdmitted, SandboxReleased, type LedgerEvent, type Quota } from '@sandlot/contracts';

/** What one user holds: the names of their sandboxes, and how many more they may have. */
export interface Ledger {
  /** Undefined until somebody has set it: the platform's default counts. */
  readonly quota?: Quota;
  readonly sandboxes: ReadonlyMap<SandboxId, string>;
  /** Which sandboxes had a name before, newest first, the last 20 of each: a command that was meant for one must not hit its successor. */
  readonly former: ReadonlyMap<string, readonly SandboxId[]>;
}

const remembered = 20;

export type LedgerCommand =
  | { type: 'AdmitSandbox'; sandboxId: SandboxId; name: string; defaultQuota: Quota }
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

function admit({ sandboxId, name, defaultQuota }: Extract<LedgerCommand, { type: 'AdmitSandbox' }>, ledger: Ledger): LedgerEvent[] {
  if (sandboxNamed(ledger, name)) throw new DomainError('SANDBOX_EXISTS', `a sandbox named ${name} exists already`);
  const limit = (ledger.quota ?? defaultQuota).sandboxes;
  if (ledger.sandboxes.size >= limit)
    throw new DomainError('QUOTA_EXCEEDED', `${ledger.sandboxes.size} of ${limit} sandboxes are in use`, {
      limit,
      holders: holdersOf(ledger),
    });
  return [SandboxAdmitted({ sandboxId, name })];
}

export function evolve(ledger: Ledger, event: LedgerEvent): Ledger {
  switch (event.type) {
    case 'ledger.sandbox-admitted.v1':
      return { ...ledger, sandboxes: new Map(ledger.sandboxes).set(event.data.sandboxId, event.data.name) };
    case 'ledger.sandbox-released.v1':
      return release(event.data.sandboxId, ledger);
    case 'ledger.quota-set.v1':
      return { ...ledger, quota: event.data.quota };
    default:
      return ledger;
  }
}

function release(sandboxId: SandboxId, ledger: Ledger): Ledger {
  const name = ledger.sandboxes.get(sandboxId);
  if (name === undefined) return ledger;
  const sandboxes = new Map([...ledger.sandboxes].filter(([id]) => id !== sandboxId));
  const former = [sandboxId, ...(ledger.former.get(name) ?? [])].slice(0, remembered);
  return { ...ledger, sandboxes, former: new Map(ledger.former).set(name, former) };
}

export function sandboxNamed(ledger: Ledger, name: string): SandboxId | undefined {
  for (const [id, taken] of ledger.sandboxes) if (taken === name) return id;
  return undefined;
}

export function holdersOf(ledger: Ledger): { sandboxId: SandboxId; name: string }[] {
  return [...ledger.sandboxes].map(([sandboxId, name]) => ({ sandboxId, name }));
}
