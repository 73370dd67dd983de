import { Controller, Get } from '@nestjs/common';
import { PlatformHealth as HealthView } from '@sandlot/contracts';
import { Permission } from '@sandlot/service-kit';
import { PlatformHealth } from '../health/platform-health.js';
import { Operation } from '../http/operation.js';

@Controller('api/v1/admin/health')
export class PlatformHealthController {
  constructor(private readonly health: PlatformHealth) {}

  @Get()
  @Permission('operations:read')
  @Operation('What is wrong, each with a stable code, since when, and what to do', { 200: HealthView })
  get() {
    return this.health.look();
  }
}
