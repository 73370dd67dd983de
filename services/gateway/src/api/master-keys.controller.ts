import { Body, Controller, Post } from '@nestjs/common';
import { authMessages as auth, RewrapBody, Rewrapped } from '@sandlot/contracts';
import type { CommandContext } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Answer, at } from '../http/answer.js';
import { Command } from '../http/command.js';
import { Operation } from '../http/operation.js';

/** In ms: two round trips to NATS for each user. */
const withinMs = 50_000;

@Controller('api/v1/admin/master-key')
export class MasterKeysController {
  constructor(private readonly rpc: RpcClient) {}

  @Post('rewrap')
  @Permission('operations:write')
  @Operation(
    "Puts some users' data keys, which an older master key holds, under the newest; sandlot-admin keys rotate asks until all are",
    {
      200: Rewrapped,
    },
  )
  async rewrap(@Command() context: CommandContext, @Body({ schema: RewrapBody }) { after, limit }: z.output<typeof RewrapBody>) {
    const { position, result } = await this.rpc.call(auth.RewrapDataKeys, { context, after, limit }, { withinMs });
    return new Answer(200, at(position), result);
  }
}
