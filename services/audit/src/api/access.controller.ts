import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { auditMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { AccessLog } from '../access-log.js';
import { UsageByDay } from '../usage.js';

@Controller()
export class AccessController {
  constructor(
    private readonly log: AccessLog,
    private readonly usage: UsageByDay,
  ) {}

  @Handles(messages.ListAccess)
  list(@Payload() request: z.output<typeof messages.ListAccess.request>) {
    return this.log.list(request);
  }

  @Handles(messages.ListUsage)
  use(@Payload() request: z.output<typeof messages.ListUsage.request>) {
    return this.usage.list(request);
  }
}
