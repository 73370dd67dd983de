import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ConsumerList, PauseConsumerBody, ReconcileReport, ReplayBody } from '@sandlot/contracts';
import type { CommandContext } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Answer, done } from '../http/answer.js';
import { Command } from '../http/command.js';
import { Operation } from '../http/operation.js';
import { listWithinMs, OperatedServices } from './operated-services.js';

/** A replay answers when everything is handled, in ms; below the minute that the proxy waits. */
const replayWithinMs = 50_000;

/** A consumer's name begins with its service: `provisioner-quota`. */
@Controller('api/v1/admin/consumers')
export class ConsumersController {
  constructor(
    private readonly rpc: RpcClient,
    private readonly services: OperatedServices,
  ) {}

  @Get()
  @Permission('operations:read')
  @Operation('Every durable consumer: how far it is, what waits, what was given up', { 200: ConsumerList })
  list() {
    return this.services.everywhere((rpc, operations) => rpc.call(operations.listConsumers, {}, { withinMs: listWithinMs }));
  }

  @Post(':name/pause')
  @Permission('operations:write')
  @Operation('Stops a consumer until a time; what comes meanwhile waits', { 204: 'It is paused' })
  async pause(
    @Command() context: CommandContext,
    @Param('name') name: string,
    @Body({ schema: PauseConsumerBody }) { until }: z.output<typeof PauseConsumerBody>,
  ) {
    await this.rpc.call(this.of(name).pauseConsumer, { context, name, until });
    return done();
  }

  @Post(':name/resume')
  @Permission('operations:write')
  @Operation('Lets a paused consumer go on', { 204: 'It goes on' })
  async resume(@Command() context: CommandContext, @Param('name') name: string) {
    await this.rpc.call(this.of(name).resumeConsumer, { context, name });
    return done();
  }

  @Post(':name/replay')
  @Permission('operations:write')
  @Operation('Handles everything from a position or time on again, and says what that changed', { 200: ReconcileReport })
  async replay(
    @Command() context: CommandContext,
    @Param('name') name: string,
    @Body({ schema: ReplayBody }) from: z.output<typeof ReplayBody>,
  ) {
    return new Answer(200, {}, await this.rpc.call(this.of(name).replayConsumer, { context, name, from }, { withinMs: replayWithinMs }));
  }

  private of(name: string) {
    return this.services.of(name.split('-', 1)[0]!, 'CONSUMER_NOT_FOUND');
  }
}
