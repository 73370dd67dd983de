import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { authMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { KeyDirectoryLoop } from '../consumers/key-directory.consumer.js';
import { UserList } from '../user-list.js';
import { Users } from '../users.js';

type Request<Name extends keyof typeof messages> = z.output<(typeof messages)[Name]['request']>;

@Controller()
export class UsersController {
  constructor(
    private readonly users: Users,
    private readonly list: UserList,
    private readonly directory: KeyDirectoryLoop,
  ) {}

  @Handles(messages.CreateUser)
  async create(@Payload() request: Request<'CreateUser'>) {
    const created = await this.users.create(request);
    await this.directory.published(created.user.id);
    return created;
  }

  @Handles(messages.UpdateUser)
  async update(@Payload() request: Request<'UpdateUser'>) {
    const changed = await this.users.change(request);
    await this.directory.published(request.userId);
    return changed;
  }

  @Handles(messages.SetUserLimits)
  async setLimits(@Payload() request: Request<'SetUserLimits'>) {
    const set = await this.users.setLimits(request);
    await this.directory.published(request.userId);
    return set;
  }

  @Handles(messages.GetUserLimits)
  limits(@Payload() { userId }: Request<'GetUserLimits'>) {
    return this.users.limits(userId);
  }

  @Handles(messages.DeleteUser)
  async delete(@Payload() { context, userId, expectedVersion }: Request<'DeleteUser'>) {
    const { position } = await this.users.delete(context, userId, expectedVersion);
    await this.directory.published(userId);
    return { position };
  }

  @Handles(messages.ForgetUser)
  async forget(@Payload() { context, userId }: Request<'ForgetUser'>) {
    const { position } = await this.users.forget(context, userId);
    await this.directory.published(userId);
    return { position };
  }

  @Handles(messages.ResolveUsername)
  async resolve(@Payload() { username }: Request<'ResolveUsername'>) {
    return { userId: await this.users.resolve(username) };
  }

  @Handles(messages.GetUser)
  get(@Payload() { userId }: Request<'GetUser'>) {
    return this.users.get(userId);
  }

  @Handles(messages.ListUsers)
  all(@Payload() request: Request<'ListUsers'>) {
    return this.list.users(request);
  }
}
