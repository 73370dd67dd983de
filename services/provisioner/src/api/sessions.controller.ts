import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { provisionerMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Sessions } from '../sessions.js';

type Request<Name extends keyof typeof messages> = z.output<(typeof messages)[Name]['request']>;

@Controller()
export class SessionsController {
  constructor(private readonly sessions: Sessions) {}

  @Handles(messages.GetSession)
  get(@Payload() request: Request<'GetSession'>) {
    return this.sessions.get(request);
  }

  @Handles(messages.ExtendSession)
  extend(@Payload() request: Request<'ExtendSession'>) {
    return this.sessions.extend(request);
  }

  @Handles(messages.DeleteSession)
  delete(@Payload() request: Request<'DeleteSession'>) {
    return this.sessions.delete(request);
  }
}
