import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { proxyMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { LimitsOfUsers } from '../limits-of-users.js';

@Controller()
export class LimitsController {
  constructor(private readonly limits: LimitsOfUsers) {}

  @Handles(messages.GetLimitsInForce)
  get(@Payload() { userId }: z.output<typeof messages.GetLimitsInForce.request>) {
    return this.limits.of(userId);
  }
}
