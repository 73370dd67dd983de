import { newId } from '@sandlot/kernel';
import type { Namespace } from '../domain/namespace/namespace.js';
import type { FoundNamespace } from '../ports.js';
import { sayNamespace } from './rebuild-plan.js';

const owner = newId('usr');
const live: Namespace = { status: 'live', owner, username: 'alice', name: 'user-alice', uid: 'n', applied: {}, failures: {} };
const ours: FoundNamespace = { exists: true, uid: 'n', ours: true };
const say = (look: Partial<Parameters<typeof sayNamespace>[0]>) =>
  sayNamespace({ namespace: live, ledger: { sandboxes: new Map() }, found: ours, missing: [], ...look });
const named = { name: 'user-alice', owner };

describe('a rebuild’s plan for a namespace', () => {
  it('is silent where everything is there', () => expect(say({})).toEqual({ there: true }));

  it('names what has to come back in one that is there', () =>
    expect(say({ missing: ['quota', 'network-policy'] })).toEqual({
      there: false,
      item: { ...named, outcome: 'comes-back', concerns: ['quota', 'network-policy'] },
    }));

  it('makes again what is lost, unless something is in the way', () => {
    expect(say({ found: { exists: false } }).item).toEqual({ ...named, outcome: 'comes-back' });
    const obstacle = { reason: 'NAMESPACE_NOT_PREPARED', message: 'the operator has not prepared it' };
    expect(say({ found: { exists: false, obstacle } }).item).toEqual({ ...named, outcome: 'cannot', ...obstacle });
    expect(say({ found: { ...ours, ours: false } }).item).toMatchObject({ outcome: 'cannot', reason: 'NAMESPACE_NOT_OURS' });
  });

  it('takes away that of a deleted user, and has nothing to say of one that is gone', () => {
    expect(say({ namespace: { ...live, status: 'deleted' } }).item).toEqual({ ...named, outcome: 'goes' });
    expect(say({ namespace: { ...live, status: 'deleted' }, found: { exists: false } })).toEqual({ there: false });
    expect(say({ namespace: { status: 'absent' } })).toEqual({ there: false });
  });
});
