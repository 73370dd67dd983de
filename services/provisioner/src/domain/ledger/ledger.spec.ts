import { QuotaSet, SandboxAdmitted, SandboxReleased } from '@sandlot/contracts';
import { type DomainError, newId, type SandboxId } from '@sandlot/kernel';
import { given } from '@sandlot/testing';
import { decide, ledgerDecider, usedOf } from './ledger.js';

const defaultQuota = { sandboxes: 2, cpu: '4', memory: '8Gi' };
const [first, second, third] = [newId('sbx'), newId('sbx'), newId('sbx')];
const ledger = given(ledgerDecider);
const admitted = (sandboxId: SandboxId, name: string) => SandboxAdmitted({ sandboxId, name });
const admit = (sandboxId: typeof first, name: string) => ({ type: 'AdmitSandbox' as const, sandboxId, name, defaultQuota });

function refused(decision: () => unknown): DomainError | undefined {
  try {
    decision();
  } catch (error) {
    return error as DomainError;
  }
  return undefined;
}

describe("a user's ledger", () => {
  it('admits a sandbox under a free name', () => ledger(admitted(first, 's1')).when(admit(second, 's2')).then(admitted(second, 's2')));

  it('gives a name out once, and again after it was released', () => {
    ledger(admitted(first, 's1')).when(admit(second, 's1')).thenRefused('SANDBOX_EXISTS');
    ledger(admitted(first, 's1'), SandboxReleased({ sandboxId: first }))
      .when(admit(second, 's1'))
      .then(admitted(second, 's1'));
  });

  it('S0-07 refuses more than the quota and lists what holds it', () => {
    const full = [admitted(first, 's1'), admitted(second, 's2')].reduce(ledgerDecider.evolve, ledgerDecider.initialState);
    const refusal = refused(() => decide(admit(third, 's3'), full));
    expect(refusal?.code).toBe('QUOTA_EXCEEDED');
    expect(refusal?.details).toEqual({
      limit: 2,
      holders: [
        { sandboxId: first, name: 's1' },
        { sandboxId: second, name: 's2' },
      ],
    });
  });

  describe('counts CPU and memory by the limits of its sandboxes', () => {
    const holding = (sandboxId: SandboxId, name: string, cpu: string, memory: string) =>
      SandboxAdmitted({ sandboxId, name, holds: { cpu, memory } });
    const past = [holding(first, 's1', '3500m', '1Gi')];

    it('up to the last of it', () =>
      ledger(...past)
        .when({ ...admit(second, 's2'), holds: { cpu: '500m', memory: '7Gi' } })
        .then(holding(second, 's2', '500m', '7Gi')));

    it.each([
      [
        { cpu: '501m', memory: '1Gi' },
        { resource: 'cpu', limit: '4', used: '3500m', asked: '501m' },
      ],
      [
        { cpu: '100m', memory: '7169Mi' },
        { resource: 'memory', limit: '8Gi', used: '1Gi', asked: '7169Mi' },
      ],
    ])('S0-07 and refuses more, saying what is used by whom: %j', (holds, details) => {
      const state = past.reduce(ledgerDecider.evolve, ledgerDecider.initialState);
      const holders = [{ sandboxId: first, name: 's1', cpu: '3500m', memory: '1Gi' }];
      expect(refused(() => decide({ ...admit(second, 's2'), holds }, state))).toMatchObject({
        code: 'QUOTA_EXCEEDED',
        details: { ...details, holders },
      });
    });

    it('and says when a sandbox could never fit, whatever is deleted', () => {
      const error = refused(() => decide({ ...admit(first, 's1'), holds: { cpu: '5' } }, ledgerDecider.initialState));
      expect(error?.message).toBe('5 of CPU is more than the whole quota, 4');
      expect(error?.details).toMatchObject({ holders: [] });
    });

    it('and has it back when a sandbox is gone', () =>
      ledger(...past, SandboxReleased({ sandboxId: first }))
        .when({ ...admit(second, 's2'), holds: { cpu: '4' } })
        .then(SandboxAdmitted({ sandboxId: second, name: 's2', holds: { cpu: '4' } })));

    it('and tells what is used', () =>
      expect(usedOf([...past, holding(second, 's2', '0.5', '256Mi')].reduce(ledgerDecider.evolve, ledgerDecider.initialState))).toEqual({
        sandboxes: 2,
        cpu: '4',
        memory: '1280Mi',
      }));
  });

  it('counts by the quota that an administrator has set', () => {
    ledger(QuotaSet({ quota: { ...defaultQuota, sandboxes: 0 } }))
      .when(admit(first, 's1'))
      .thenRefused('QUOTA_EXCEEDED');
    ledger(QuotaSet({ quota: { ...defaultQuota, sandboxes: 3 } }), admitted(first, 's1'), admitted(second, 's2'))
      .when(admit(third, 's3'))
      .then(admitted(third, 's3'));
  });

  it('releases a place once', () => {
    ledger(admitted(first, 's1'))
      .when({ type: 'ReleaseSandbox', sandboxId: first })
      .then(SandboxReleased({ sandboxId: first }));
    ledger().when({ type: 'ReleaseSandbox', sandboxId: first }).thenNothing();
  });

  it('keeps a quota that is set again as it is', () =>
    ledger(QuotaSet({ quota: defaultQuota }))
      .when({ type: 'SetQuota', quota: defaultQuota })
      .thenNothing());
});
