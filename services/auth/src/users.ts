import { aggregateRef, isAggregateId, type LimitsOfUser, type Role, type User as UserView, type UserLimits } from '@sandlot/contracts';
import type { Commands, Revision } from '@sandlot/event-store';
import { deriveId, DomainError, millisecondsOf, type CommandContext, type UserId } from '@sandlot/kernel';
import { userDecider } from './domain/user/decide.js';
import type { User } from './domain/user/user.js';
import { usernameDecider } from './domain/username/username.js';
import type { ClearPersonal, PersonalVault } from './ports.js';

export interface UserAccepted {
  position: number;
  user: UserView;
}

export interface UserChangeRequest {
  context: CommandContext;
  userId: UserId;
  /** Of If-Match: VERSION_MISMATCH when the user is not at this version any more. */
  expectedVersion?: number | undefined;
  changes: {
    email?: string | null | undefined;
    displayName?: string | null | undefined;
    role?: Role | undefined;
    status?: 'active' | 'disabled' | undefined;
  };
}

/** What administrators ask of users. */
export class Users {
  constructor(
    private readonly commands: Commands,
    private readonly vault: PersonalVault,
  ) {}

  /** Takes the name for ever and creates the user, both or neither. */
  async create(request: {
    context: CommandContext;
    username: string;
    role: Role;
    email?: string | undefined;
    displayName?: string | undefined;
  }): Promise<UserAccepted> {
    const { context, username, role } = request;
    const userId = deriveId('usr', context.commandId, 'user');
    const clear: ClearPersonal = { email: request.email ?? null, displayName: request.displayName ?? null };
    const personal = await this.vault.seal(userId, clear);
    const { position, result } = await this.commands.handle(context, async (work) => {
      const name = await work.load(usernameDecider, aggregateRef('username', username));
      const user = await work.load(userDecider, aggregateRef('user', userId));
      name.decide({ type: 'ReserveUsername', username, userId });
      user.decide({ type: 'CreateUser', username, role, personal });
      return userView(userId, user.state, clear, { version: Math.max(1, user.revision.version), time: user.revision.time || context.at });
    });
    return { position, user: result };
  }

  async change({ context, userId, expectedVersion, changes }: UserChangeRequest): Promise<UserAccepted> {
    const { email, displayName, role, status } = changes;
    const { position } = await this.commands.handle(context, async (work) => {
      const user = await work.load(userDecider, aggregateRef('user', userId));
      if (!work.applied) expectVersion(user.revision, expectedVersion);
      const before = await this.clear(userId, user.state);
      const after = {
        email: email === undefined ? before.email : email,
        displayName: displayName === undefined ? before.displayName : displayName,
      };
      const personal = email === undefined && displayName === undefined ? undefined : await this.vault.seal(userId, after);
      user.decide({ type: 'ChangeUser', changes: { ...(personal && { personal }), ...(role && { role }), ...(status && { status }) } });
    });
    return { position, user: await this.get(userId) };
  }

  /** In place of what was set before. */
  async setLimits(request: {
    context: CommandContext;
    userId: UserId;
    expectedVersion?: number | undefined;
    limits: UserLimits;
  }): Promise<{ position: number; limits: LimitsOfUser }> {
    const { context, userId, expectedVersion, limits } = request;
    const { position } = await this.commands.handle(context, async (work) => {
      const user = await work.load(userDecider, aggregateRef('user', userId));
      if (!work.applied) expectVersion(user.revision, expectedVersion);
      user.decide({ type: 'SetLimits', limits });
    });
    return { position, limits: await this.limits(userId) };
  }

  async limits(userId: UserId): Promise<LimitsOfUser> {
    const { state, revision } = await this.commands.load(userDecider, aggregateRef('user', userId));
    if (state.status === 'absent') throw notFound();
    return { userId, limits: state.limits ?? {}, version: revision.version };
  }

  async delete(context: CommandContext, userId: UserId, expectedVersion?: number): Promise<{ position: number }> {
    return this.commands.handle(context, async (work) => {
      const user = await work.load(userDecider, aggregateRef('user', userId));
      if (!work.applied) expectVersion(user.revision, expectedVersion);
      user.decide({ type: 'DeleteUser' });
    });
  }

  /** Deletes the user and gives up everything personal for good. The key is destroyed by whoever handles the event, again and again until it is gone. */
  async forget(context: CommandContext, userId: UserId): Promise<{ position: number }> {
    return this.commands.handle(context, async (work) => {
      (await work.load(userDecider, aggregateRef('user', userId))).decide({ type: 'ForgetUser' });
    });
  }

  async get(userId: UserId): Promise<UserView> {
    const { state, revision } = await this.commands.load(userDecider, aggregateRef('user', userId));
    return userView(userId, state, await this.clear(userId, state), revision);
  }

  async resolve(username: string): Promise<UserId> {
    if (!isAggregateId(username)) throw notFound();
    const { state } = await this.commands.load(usernameDecider, aggregateRef('username', username));
    if (state.status === 'free') throw notFound();
    return state.userId;
  }

  private async clear(userId: UserId, user: User): Promise<ClearPersonal> {
    return user.status === 'absent' ? { email: null, displayName: null } : this.vault.open(userId, user.personal);
  }
}

export function userView(id: UserId, user: User, personal: ClearPersonal, { version, time }: Pick<Revision, 'version' | 'time'>): UserView {
  if (user.status === 'absent') throw notFound();
  const { username, role, status } = user;
  return { id, username, role, status, ...personal, createdAt: new Date(millisecondsOf(id)).toISOString(), updatedAt: time, version };
}

function expectVersion({ version }: Revision, expected: number | undefined): void {
  if (expected !== undefined && version !== expected)
    throw new DomainError('VERSION_MISMATCH', `the user is at version ${version}`, { version });
}

const notFound = (): DomainError => new DomainError('USER_NOT_FOUND', 'there is no such user');
