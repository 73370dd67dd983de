import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { provisionerMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Discovered } from '../discovered.js';

@Controller()
export class DiscoveryController {
  constructor(private readonly discovered: Discovered) {}

  @Handles(messages.ListDiscovered)
  list(@Payload() request: z.output<typeof messages.ListDiscovered.request>) {
    return this.discovered.page(request);
  }
}
