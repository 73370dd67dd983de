import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiKey,
  ApiKeyListQuery,
  ApiKeyPage,
  auditMessages as audit,
  AuditPage,
  AuditQuery,
  authMessages as auth,
  CreateApiKeyBody,
  CreatedApiKey,
  LimitsInForce,
  provisionerMessages as provisioner,
  proxyMessages as proxy,
  QuotaUsage,
  UpdateApiKeyBody,
  User,
} from '@sandlot/contracts';
import type { CommandContext, KeyId, UserId } from '@sandlot/kernel';
import { Caller, Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { changed, created, done, found } from '../http/answer.js';
import { AtLeast } from '../http/answer.interceptor.js';
import { Command } from '../http/command.js';
import { ofKey } from '../http/existing-id.js';
import { Operation } from '../http/operation.js';
import { IfMatch } from '../http/preconditions.js';

const keyListQuery = ApiKeyListQuery.strict();
const auditQuery = AuditQuery.omit({ actor: true }).strict();

/** What everybody may see and do of themselves. */
@Controller('api/v1/me')
export class MeController {
  constructor(private readonly rpc: RpcClient) {}

  @Get()
  @Permission('me:read')
  @Operation('Who the API key belongs to', { 200: User })
  async get(@Caller() caller: Caller) {
    return found(await this.rpc.call(auth.GetUser, { userId: idOf(caller) }));
  }

  @Get('quota')
  @Permission('quota:read')
  @Operation('What the caller may hold, and what holds it', { 200: QuotaUsage })
  quota(@Caller() caller: Caller) {
    return this.rpc.call(provisioner.GetQuota, { userId: idOf(caller) });
  }

  @Get('limits')
  @Permission('quota:read')
  @Operation('What the caller may ask of the proxies: rates, requests and connections at a time, sizes', { 200: LimitsInForce })
  limits(@Caller() caller: Caller) {
    return this.rpc.call(proxy.GetLimitsInForce, { userId: idOf(caller) });
  }

  @Get('audit-logs')
  @Permission('me:read')
  @Operation('What the caller did, newest first', { 200: AuditPage })
  trail(
    @Caller() caller: Caller,
    @AtLeast() atLeast: number | undefined,
    @Query({ schema: auditQuery }) query: z.output<typeof auditQuery>,
  ) {
    return this.rpc.call(audit.ListAuditEntries, { ...query, actor: caller.userId, atLeast });
  }

  @Post('apikeys')
  @Permission('apikey:create')
  @Operation('Creates an API key; the key itself is shown only here', { 201: CreatedApiKey })
  async createKey(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Body({ schema: CreateApiKeyBody }) body: z.output<typeof CreateApiKeyBody>,
  ) {
    const { position, key } = await this.rpc.call(auth.CreateApiKey, { context, userId: idOf(caller), ...body });
    return created(position, `/api/v1/me/apikeys/${key.id}`, key);
  }

  @Get('apikeys')
  @Permission('apikey:read')
  @Operation("Lists the caller's API keys", { 200: ApiKeyPage })
  listKeys(
    @Caller() caller: Caller,
    @AtLeast() atLeast: number | undefined,
    @Query({ schema: keyListQuery }) query: z.output<typeof keyListQuery>,
  ) {
    return this.rpc.call(auth.ListApiKeys, { userId: idOf(caller), ...query, atLeast });
  }

  @Patch('apikeys/:keyId')
  @Permission('apikey:update')
  @Operation("Renames one of the caller's API keys", { 200: ApiKey })
  async renameKey(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('keyId', ofKey) keyId: KeyId,
    @IfMatch() expectedVersion: number | undefined,
    @Body({ schema: UpdateApiKeyBody }) { name }: z.output<typeof UpdateApiKeyBody>,
  ) {
    const { position, key } = await this.rpc.call(auth.RenameApiKey, { context, keyId, userId: idOf(caller), expectedVersion, name });
    return changed(position, key);
  }

  @Delete('apikeys/:keyId')
  @Permission('apikey:revoke')
  @Operation("Revokes one of the caller's API keys: it is refused at once", { 204: 'The key is revoked' })
  async revokeKey(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('keyId', ofKey) keyId: KeyId,
    @IfMatch() expectedVersion: number | undefined,
  ) {
    const { position } = await this.rpc.call(auth.RevokeApiKey, { context, keyId, userId: idOf(caller), expectedVersion });
    return done(position);
  }
}

const idOf = ({ userId }: Caller) => userId as UserId;
