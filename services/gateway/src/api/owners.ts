import { Injectable } from '@nestjs/common';
import { authMessages as auth } from '@sandlot/contracts';
import { DomainError, type UserId } from '@sandlot/kernel';
import { may, RpcClient, type Caller, type PermissionName } from '@sandlot/service-kit';

/** Whose sandboxes a path with a username in it means. */
@Injectable()
export class Owners {
  constructor(private readonly rpc: RpcClient) {}

  /** The caller's own id, or anybody's for who has the permission; to all others there is no such sandbox, whether or not there is one. */
  async resolve(caller: Caller, username: string, permission: PermissionName): Promise<UserId> {
    if (username === caller.username) return caller.userId as UserId;
    if (!may(caller.role, permission)) throw new DomainError('SANDBOX_NOT_FOUND', 'Sandbox not found');
    return (await this.rpc.call(auth.ResolveUsername, { username: username.slice(0, 64) })).userId;
  }
}
