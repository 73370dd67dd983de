import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { SandboxEvent, SandboxState } from '@sandlot/contracts';
import type { SandboxId, UserId } from '@sandlot/kernel';
import { rowPerAggregate } from '@sandlot/projections';
import { absent, evolve, stateOf, type KnownSandbox, type Sandbox } from '../domain/sandbox/sandbox.js';

/** What people see when they list sandboxes. Those that are gone stay in it, so that the past can be listed too. */
export const sandboxes = rowPerAggregate<Sandbox, SandboxEvent>({
  name: 'sandboxes',
  aggregate: 'sandbox',
  initialState: absent,
  evolve,
  columns: { owner: 'text', name: 'text', phase: 'text' },
  row: (sandbox) => (sandbox.status === 'absent' ? {} : { owner: sandbox.owner, name: sandbox.name, phase: stateOf(sandbox) }),
});

@Entity({ schema: 'provisioner', name: 'sandboxes', synchronize: false })
export class SandboxRow {
  @PrimaryColumn({ type: 'text' }) id: SandboxId;
  @Column({ type: 'text' }) owner: UserId;
  @Column({ type: 'text' }) name: string;
  @Column({ type: 'text' }) phase: SandboxState;
  @Column({ type: 'jsonb' }) state: KnownSandbox;
  @Column({ type: 'integer' }) version: number;
  @Column({ type: 'timestamptz', name: 'updated_at' }) updatedAt: Date;
}
