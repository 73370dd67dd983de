import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { authMessages as auth, provisionerMessages as provisioner, QuotaBody, QuotaUsage } from '@sandlot/contracts';
import type { CommandContext, UserId } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Answer, at } from '../http/answer.js';
import { Command } from '../http/command.js';
import { ofUser } from '../http/existing-id.js';
import { Operation } from '../http/operation.js';

/** Everybody's quota, for administrators. The provisioner does not know who exists, so auth is asked first. */
@Controller('api/v1/admin/users/:userId/quota')
export class QuotasController {
  constructor(private readonly rpc: RpcClient) {}

  @Get()
  @Permission('user-quota:read')
  @Operation('What a user may hold, and what holds it', { 200: QuotaUsage })
  async get(@Param('userId', ofUser) userId: UserId) {
    await this.rpc.call(auth.GetUser, { userId });
    return this.rpc.call(provisioner.GetQuota, { userId });
  }

  @Put()
  @Permission('quota:write')
  @Operation('Changes what a user may hold; what is left out stays, and nothing that is held is taken away', { 200: QuotaUsage })
  async set(
    @Command() context: CommandContext,
    @Param('userId', ofUser) userId: UserId,
    @Body({ schema: QuotaBody }) quota: z.output<typeof QuotaBody>,
  ) {
    await this.rpc.call(auth.GetUser, { userId });
    const { position, usage } = await this.rpc.call(provisioner.SetQuota, { context, userId, quota });
    return new Answer(200, at(position), usage);
  }
}
