import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { proxyMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Explanations } from '../explanations.js';

@Controller()
export class RoutingController {
  constructor(private readonly explanations: Explanations) {}

  @Handles(messages.ExplainRouting)
  explain(@Payload() question: z.output<typeof messages.ExplainRouting.request>) {
    return this.explanations.explain(question);
  }
}
