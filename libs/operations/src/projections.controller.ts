import { Controller, type Type } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  operationRef,
  operationsOf,
  ProjectionPositionSkipped,
  ProjectionRebuildRequested,
  ProjectionRetried,
  type OperatedService,
  type ProjectionEvent,
  type ProjectionView,
} from '@sandlot/contracts';
import { Commands } from '@sandlot/event-store';
import { DomainError, type CommandContext } from '@sandlot/kernel';
import { ProjectionRunner, type ProjectionStatus } from '@sandlot/projections';
import { Handles } from '@sandlot/service-kit';
import { projectionOperations } from './operation.js';
import { viewOf } from './projection-view.js';

interface Asked {
  context: CommandContext;
  name: string;
}

/** What operators ask of a service's read models. The fact comes first: nothing is done that the log does not know of. */
export function projectionsController(service: OperatedService): Type {
  const messages = operationsOf(service);

  @Controller()
  class ProjectionsController {
    constructor(
      private readonly runner: ProjectionRunner,
      private readonly commands: Commands,
    ) {}

    @Handles(messages.listProjections)
    list(): ProjectionView[] {
      return this.runner.status().map(viewOf);
    }

    @Handles(messages.rebuildProjection)
    async rebuild(@Payload() { context, name, reason }: Asked & { reason: string }) {
      await this.record(context, name, ProjectionRebuildRequested({ reason }));
      await this.runner.rebuild(name, reason);
      return {};
    }

    @Handles(messages.retryProjection)
    async retry(@Payload() { context, name }: Asked) {
      const position = this.statusOf(name)?.position ?? 0;
      await this.record(context, name, ProjectionRetried({ position }));
      await this.runner.retry(name);
      return {};
    }

    @Handles(messages.skipPosition)
    async skip(@Payload() { context, name, position, reason }: Asked & { position: number; reason: string }) {
      await this.record(context, name, ProjectionPositionSkipped({ position, reason }));
      await this.runner.skip(name, position, reason);
      return {};
    }

    private statusOf(name: string): ProjectionStatus | undefined {
      return this.runner.status().find((status) => status.name === name);
    }

    private async record(context: CommandContext, name: string, event: ProjectionEvent): Promise<void> {
      if (!this.statusOf(name)) throw new DomainError('PROJECTION_NOT_FOUND', `${service} has no projection ${name}`);
      await this.commands.handle(context, async (work) => {
        (await work.load(projectionOperations, operationRef(service, 'projection', name))).decide({ type: 'Record', event });
      });
    }
  }
  return ProjectionsController;
}
