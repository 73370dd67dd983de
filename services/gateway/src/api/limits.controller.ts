import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { authMessages as auth, LimitsOfUser, UserLimitsBody } from '@sandlot/contracts';
import type { CommandContext, UserId } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { changed, found } from '../http/answer.js';
import { Command } from '../http/command.js';
import { ofUser } from '../http/existing-id.js';
import { Operation } from '../http/operation.js';
import { IfMatch } from '../http/preconditions.js';

/** What single users may ask of the proxies, where it is not as for everybody. */
@Controller('api/v1/admin/users/:userId/limits')
export class LimitsController {
  constructor(private readonly rpc: RpcClient) {}

  @Get()
  @Permission('user-limits:read')
  @Operation("A user's own limits at the proxies; what is absent is as for everybody", { 200: LimitsOfUser })
  async get(@Param('userId', ofUser) userId: UserId) {
    return found(await this.rpc.call(auth.GetUserLimits, { userId }));
  }

  @Put()
  @Permission('user-limits:write')
  @Operation("Sets all of a user's own limits, which count at once; what is left out becomes as for everybody, 0 is no limit", {
    200: LimitsOfUser,
  })
  async set(
    @Command() context: CommandContext,
    @Param('userId', ofUser) userId: UserId,
    @IfMatch() expectedVersion: number | undefined,
    @Body({ schema: UserLimitsBody }) limits: z.output<typeof UserLimitsBody>,
  ) {
    const set = await this.rpc.call(auth.SetUserLimits, { context, userId, expectedVersion, limits });
    return changed(set.position, set.limits);
  }
}
