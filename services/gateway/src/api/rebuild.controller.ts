import { Body, Controller, Get, Post } from '@nestjs/common';
import { provisionerMessages as provisioner, RebuildBody, RebuildPlan, RebuildStatus } from '@sandlot/contracts';
import type { CommandContext } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Answer, at } from '../http/answer.js';
import { Command } from '../http/command.js';
import { Operation } from '../http/operation.js';

/** Everything in the log is looked up in the runtime, in ms; below the minute that the proxy waits. */
const withinMs = 50_000;

@Controller('api/v1/admin/rebuild')
export class RebuildController {
  constructor(private readonly rpc: RpcClient) {}

  @Post()
  @Permission('operations:write')
  @Operation('Makes again whatever the log wants and the runtime has lost; with dryRun only the plan', {
    200: RebuildPlan,
    202: RebuildPlan,
  })
  async start(@Command() context: CommandContext, @Body({ schema: RebuildBody }) { dryRun, reason = '' }: z.output<typeof RebuildBody>) {
    if (dryRun) return new Answer(200, {}, await this.rpc.call(provisioner.PlanRebuild, {}, { withinMs }));
    const { position, plan } = await this.rpc.call(provisioner.StartRebuild, { context, reason }, { withinMs });
    return new Answer(202, { ...at(position), location: '/api/v1/admin/rebuild' }, plan);
  }

  @Get()
  @Permission('operations:read')
  @Operation('The last rebuild that was asked for, and what is left to do', { 200: RebuildStatus })
  get() {
    return this.rpc.call(provisioner.GetRebuild, {}, { withinMs });
  }
}
