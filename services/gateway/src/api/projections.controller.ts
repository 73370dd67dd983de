import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { ProjectionList, ReasonBody, SkipBody } from '@sandlot/contracts';
import type { CommandContext } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Answer, done } from '../http/answer.js';
import { Command } from '../http/command.js';
import { Operation } from '../http/operation.js';
import { listWithinMs, OperatedServices } from './operated-services.js';

const list = '/api/v1/admin/projections';
const refusal = 'PROJECTION_NOT_FOUND';

@Controller('api/v1/admin/projections')
export class ProjectionsController {
  constructor(
    private readonly rpc: RpcClient,
    private readonly services: OperatedServices,
  ) {}

  @Get()
  @Permission('operations:read')
  @Operation('Every projection: how far it is, how far behind, and why it stands if it does', { 200: ProjectionList })
  list() {
    return this.services.everywhere((rpc, operations) => rpc.call(operations.listProjections, {}, { withinMs: listWithinMs }));
  }

  @Post(':service/:name/rebuild')
  @Permission('operations:write')
  @Operation('Fills a new version of the read model beside the old one, which answers until the new one has caught up', {
    202: 'The rebuild has begun',
  })
  async rebuild(
    @Command() context: CommandContext,
    @Param('service') service: string,
    @Param('name') name: string,
    @Body({ schema: ReasonBody }) { reason }: z.output<typeof ReasonBody>,
  ) {
    await this.rpc.call(this.services.of(service, refusal).rebuildProjection, { context, name, reason });
    return new Answer(202, { location: list });
  }

  @Post(':service/:name/retry')
  @Permission('operations:write')
  @Operation('Tries again the event at which a projection stands', { 204: 'It goes on, or stands again' })
  async retry(@Command() context: CommandContext, @Param('service') service: string, @Param('name') name: string) {
    await this.rpc.call(this.services.of(service, refusal).retryProjection, { context, name });
    return done();
  }

  @Post(':service/:name/skip')
  @Permission('operations:write')
  @Operation('Leaves out the event at which a projection stands', { 204: 'It goes on behind the event' })
  async skip(
    @Command() context: CommandContext,
    @Param('service') service: string,
    @Param('name') name: string,
    @Body({ schema: SkipBody }) body: z.output<typeof SkipBody>,
  ) {
    await this.rpc.call(this.services.of(service, refusal).skipPosition, { context, name, ...body });
    return done();
  }
}
