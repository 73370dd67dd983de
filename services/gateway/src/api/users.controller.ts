import { Body, Controller, Delete, Get, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { authMessages as auth, CreateUserBody, UpdateUserBody, User, UserListQuery, UserPage } from '@sandlot/contracts';
import type { CommandContext, UserId } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { accepted, changed, created, done, found } from '../http/answer.js';
import { AtLeast } from '../http/answer.interceptor.js';
import { Command } from '../http/command.js';
import { ofUser } from '../http/existing-id.js';
import { Operation } from '../http/operation.js';
import { IfMatch } from '../http/preconditions.js';

const listQuery = UserListQuery.strict();
const locationOf = (userId: string) => `/api/v1/admin/users/${userId}`;

@Controller('api/v1/admin/users')
export class UsersController {
  constructor(private readonly rpc: RpcClient) {}

  @Post()
  @Permission('user:create')
  @Operation('Creates a user', { 201: User })
  async create(@Command() context: CommandContext, @Body({ schema: CreateUserBody }) body: z.output<typeof CreateUserBody>) {
    const { position, user } = await this.rpc.call(auth.CreateUser, { context, ...body });
    return created(position, locationOf(user.id), user);
  }

  @Get()
  @Permission('user:read')
  @Operation('Lists users, newest first', { 200: UserPage })
  list(@AtLeast() atLeast: number | undefined, @Query({ schema: listQuery }) query: z.output<typeof listQuery>) {
    return this.rpc.call(auth.ListUsers, { ...query, atLeast });
  }

  @Get(':userId')
  @Permission('user:read')
  @Operation('A user', { 200: User })
  async get(@Param('userId', ofUser) userId: UserId) {
    return found(await this.rpc.call(auth.GetUser, { userId }));
  }

  @Put(':userId')
  @Permission('user:update')
  @Operation('Changes a user; what is left out stays', { 200: User })
  async update(
    @Command() context: CommandContext,
    @Param('userId', ofUser) userId: UserId,
    @IfMatch() expectedVersion: number | undefined,
    @Body({ schema: UpdateUserBody }) changes: z.output<typeof UpdateUserBody>,
  ) {
    const { position, user } = await this.rpc.call(auth.UpdateUser, { context, userId, expectedVersion, changes });
    return changed(position, user);
  }

  @Patch(':userId')
  @Permission('user:update')
  @Operation('Changes a user, like PUT (merge patch)', { 200: User })
  patch(
    @Command() context: CommandContext,
    @Param('userId', ofUser) userId: UserId,
    @IfMatch() expectedVersion: number | undefined,
    @Body({ schema: UpdateUserBody }) changes: z.output<typeof UpdateUserBody>,
  ) {
    return this.update(context, userId, expectedVersion, changes);
  }

  @Delete(':userId')
  @Permission('user:delete')
  @Operation('Deletes a user: the keys are refused at once, the sandboxes go', { 204: 'The user is deleted' })
  async delete(
    @Command() context: CommandContext,
    @Param('userId', ofUser) userId: UserId,
    @IfMatch() expectedVersion: number | undefined,
  ) {
    const { position } = await this.rpc.call(auth.DeleteUser, { context, userId, expectedVersion });
    return done(position);
  }

  @Post(':userId/forget')
  @Permission('user:forget')
  @Operation("Deletes a user and, for good, everything personal; 202 while the user's data key is destroyed", { 202: 'Will be forgotten' })
  async forget(@Command() context: CommandContext, @Param('userId', ofUser) userId: UserId) {
    const { position } = await this.rpc.call(auth.ForgetUser, { context, userId });
    return accepted(position, locationOf(userId));
  }
}
