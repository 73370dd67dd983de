import { Controller, Get, Header, Param } from '@nestjs/common';
import { healthCodes, type HealthCode } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { Public } from '@sandlot/service-kit';
import { Operation } from '../http/operation.js';

const plain = 'text/plain; charset=utf-8';

/** Where the `docsUrl` of a finding leads. docs/reference/health.md is of the same table. */
@Controller('docs/health')
export class HealthCodesController {
  @Get()
  @Public()
  @Header('content-type', plain)
  @Operation('All health codes, one a line', { 200: 'Text' })
  list(): string {
    return Object.keys(healthCodes).map((code) => `/docs/health/${code}\n`).join(''); // prettier-ignore
  }

  @Get(':code')
  @Public()
  @Header('content-type', plain)
  @Operation('What a health code means and what to do', { 200: 'Text' })
  page(@Param('code') code: string): string {
    if (!Object.hasOwn(healthCodes, code)) throw new DomainError('NOT_FOUND', 'There is no such code; GET /docs/health lists them.');
    const { severity, title, hint, page } = healthCodes[code as HealthCode];
    return `# ${code}\n\n${title} (${severity}).\n\n${hint}\n\nMore: ${page} of the repository.\n`;
  }
}
