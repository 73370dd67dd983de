import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { provisionerMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Quotas } from '../quotas.js';

@Controller()
export class QuotasController {
  constructor(private readonly quotas: Quotas) {}

  @Handles(messages.GetQuota)
  get(@Payload() { userId }: z.output<typeof messages.GetQuota.request>) {
    return this.quotas.get(userId);
  }

  @Handles(messages.SetQuota)
  set(@Payload() { context, userId, quota }: z.output<typeof messages.SetQuota.request>) {
    return this.quotas.set(userId, quota, context);
  }
}
