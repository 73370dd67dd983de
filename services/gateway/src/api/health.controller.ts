import { Controller, Get } from '@nestjs/common';
import { Public } from '@sandlot/service-kit';
import { z } from 'zod';
import { Operation } from '../http/operation.js';
import { SandboxCount } from './sandbox-count.js';

const HealthView = z
  .object({
    status: z.literal('ok'),
    sandboxes: z.int().nullable().describe('how many there are; null when nobody could say since the start'),
    timestamp: z.iso.datetime(),
  })
  .meta({ id: 'Health' });

@Controller('health')
export class HealthController {
  constructor(private readonly count: SandboxCount) {}

  @Get()
  @Public()
  @Operation('That the API answers, and how many sandboxes there are', { 200: HealthView })
  async get(): Promise<z.output<typeof HealthView>> {
    return { status: 'ok', sandboxes: await this.count.now(), timestamp: new Date().toISOString() };
  }
}
