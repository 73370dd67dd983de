import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { provisionerMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Rebuild } from '../rebuild.js';

@Controller()
export class RebuildController {
  constructor(private readonly rebuild: Rebuild) {}

  @Handles(messages.PlanRebuild)
  plan() {
    return this.rebuild.plan();
  }

  @Handles(messages.StartRebuild)
  start(@Payload() { context, reason }: z.output<typeof messages.StartRebuild.request>) {
    return this.rebuild.start(context, reason);
  }

  @Handles(messages.GetRebuild)
  status() {
    return this.rebuild.status();
  }
}
