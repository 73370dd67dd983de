import { QuotaSet, SandboxAdmitted, SandboxReleased } from '@sandlot/contracts';
import { type DomainError, newId, type SandboxId } from '@sandlot/kernel';
import { given } from '@sandlot/testing';
import { decide, ledgerDecider } from './ledger.js';

const defaultQuota = { sandboxes: 2, cpu: '4', memory: '8Gi' };
const [first, second, third] = [newId('sbx'), newId('sbx'), newId('sbx')];
const ledger = given(ledgerDecider);
const admitted = (sandboxId: SandboxId, name: string) => SandboxAdmitted({ sandboxId, name });
const admit = (sandboxId: typeof first, name: string) => ({ type: 'AdmitSandbox' as const, sandboxId, name, defaultQuota });

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
    const refusal = (() => {
      try {
        decide(admit(third, 's3'), full);
      } catch (error) {
        return error as DomainError;
      }
      return undefined;
    })();
    expect(refusal?.code).toBe('QUOTA_EXCEEDED');
    expect(refusal?.details).toEqual({
      limit: 2,
      holders: [
        { sandboxId: first, name: 's1' },
        { sandboxId: second, name: 's2' },
      ],
    });
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
