import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { provisionerMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Namespaces } from '../namespaces.js';

@Controller()
export class NamespacesController {
  constructor(private readonly namespaces: Namespaces) {}

  @Handles(messages.GetNamespace)
  get(@Payload() { userId }: z.output<typeof messages.GetNamespace.request>) {
    return this.namespaces.get(userId);
  }

  @Handles(messages.AdoptNamespace)
  adopt(@Payload() { context, owner }: z.output<typeof messages.AdoptNamespace.request>) {
    return this.namespaces.adopt(owner, context);
  }
}
