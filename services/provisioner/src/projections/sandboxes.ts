import type { SandboxEvent } from '@sandlot/contracts';
import { rowPerAggregate } from '@sandlot/projections';
import { absent, evolve, stateOf, type Sandbox } from '../domain/sandbox/sandbox.js';

/** What people see when they list sandboxes. Those that are gone stay in it, so that the past can be listed too. */
export const sandboxes = rowPerAggregate<Sandbox, SandboxEvent>({
  name: 'sandboxes',
  aggregate: 'sandbox',
  initialState: absent,
  evolve,
  columns: { owner: 'text', name: 'text', phase: 'text' },
  row: (sandbox) => (sandbox.status === 'absent' ? {} : { owner: sandbox.owner, name: sandbox.name, phase: stateOf(sandbox) }),
});
