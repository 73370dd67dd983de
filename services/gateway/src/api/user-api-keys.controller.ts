import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiKey,
  ApiKeyListQuery,
  ApiKeyPage,
  authMessages as auth,
  CreateApiKeyBody,
  CreatedApiKey,
  UpdateApiKeyBody,
} from '@sandlot/contracts';
import type { CommandContext, KeyId, UserId } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { changed, created, done } from '../http/answer.js';
import { AtLeast } from '../http/answer.interceptor.js';
import { Command } from '../http/command.js';
import { ofKey, ofUser } from '../http/existing-id.js';
import { Operation } from '../http/operation.js';
import { IfMatch } from '../http/preconditions.js';

const listQuery = ApiKeyListQuery.strict();

/** Everybody's API keys, for administrators. */
@Controller('api/v1/admin')
export class UserApiKeysController {
  constructor(private readonly rpc: RpcClient) {}

  @Post('users/:userId/apikeys')
  @Permission('user-apikey:create')
  @Operation('Creates an API key for a user; the key itself is shown only here', { 201: CreatedApiKey })
  async create(
    @Command() context: CommandContext,
    @Param('userId', ofUser) userId: UserId,
    @Body({ schema: CreateApiKeyBody }) body: z.output<typeof CreateApiKeyBody>,
  ) {
    const { position, key } = await this.rpc.call(auth.CreateApiKey, { context, userId, ...body });
    return created(position, `/api/v1/admin/apikeys/${key.id}`, key);
  }

  @Get('users/:userId/apikeys')
  @Permission('user-apikey:read')
  @Operation("Lists a user's API keys", { 200: ApiKeyPage })
  list(
    @Param('userId', ofUser) userId: UserId,
    @AtLeast() atLeast: number | undefined,
    @Query({ schema: listQuery }) query: z.output<typeof listQuery>,
  ) {
    return this.rpc.call(auth.ListApiKeys, { userId, ...query, atLeast });
  }

  @Patch('apikeys/:keyId')
  @Permission('user-apikey:update')
  @Operation('Renames an API key', { 200: ApiKey })
  async rename(
    @Command() context: CommandContext,
    @Param('keyId', ofKey) keyId: KeyId,
    @IfMatch() expectedVersion: number | undefined,
    @Body({ schema: UpdateApiKeyBody }) { name }: z.output<typeof UpdateApiKeyBody>,
  ) {
    const { position, key } = await this.rpc.call(auth.RenameApiKey, { context, keyId, expectedVersion, name });
    return changed(position, key);
  }

  @Delete('apikeys/:keyId')
  @Permission('user-apikey:revoke')
  @Operation('Revokes an API key: it is refused at once', { 204: 'The key is revoked' })
  async revoke(@Command() context: CommandContext, @Param('keyId', ofKey) keyId: KeyId, @IfMatch() expectedVersion: number | undefined) {
    const { position } = await this.rpc.call(auth.RevokeApiKey, { context, keyId, expectedVersion });
    return done(position);
  }
}
