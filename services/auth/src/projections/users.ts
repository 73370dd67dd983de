import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { UserEvent } from '@sandlot/contracts';
import type { UserId } from '@sandlot/kernel';
import { rowPerAggregate } from '@sandlot/projections';
import { absent, evolve, type User } from '../domain/user/user.js';

/** The users. What is personal stays sealed here as it is in the log, and is opened on the way out. */
export const users = rowPerAggregate<User, UserEvent>({
  name: 'users',
  aggregate: 'user',
  initialState: absent,
  evolve,
  columns: { username: 'text', status: 'text' },
  row: (user) => (user.status === 'absent' ? {} : { username: user.username, status: user.status }),
});

@Entity({ schema: 'auth', name: 'users', synchronize: false })
export class UserRow {
  @PrimaryColumn({ type: 'text' }) id: UserId;
  @Column({ type: 'text' }) username: string;
  @Column({ type: 'text' }) status: string;
  @Column({ type: 'jsonb' }) state: User;
  @Column({ type: 'integer' }) version: number;
  @Column({ type: 'timestamptz', name: 'updated_at' }) updatedAt: Date;
}
