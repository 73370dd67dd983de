import { Controller, Get, Param } from '@nestjs/common';
import { DomainError, errorTable, type ErrorCode } from '@sandlot/kernel';
import { httpStatus, problemType, Public } from '@sandlot/service-kit';
import { z } from 'zod';
import { Operation } from '../http/operation.js';

const ProblemInfo = z
  .object({ type: z.string(), code: z.string(), status: z.int(), title: z.string(), retryable: z.boolean(), hint: z.string() })
  .meta({ id: 'ProblemInfo' });
const ProblemList = z.object({ items: z.array(ProblemInfo) }).meta({ id: 'ProblemList' });

const problems = (Object.keys(errorTable) as ErrorCode[]).map((code) => ({
  type: problemType(code),
  code,
  status: httpStatus[code],
  ...errorTable[code],
}));

/** Where the `type` of a problem leads: what its code means. */
@Controller('problems')
export class ProblemsController {
  @Get()
  @Public()
  @Operation('Every code that a refusal can have', { 200: ProblemList })
  list(): z.output<typeof ProblemList> {
    return { items: problems };
  }

  @Get(':slug')
  @Public()
  @Operation('What a code means', { 200: ProblemInfo })
  get(@Param('slug') slug: string): z.output<typeof ProblemInfo> {
    const problem = problems.find(({ type }) => type === `/problems/${slug}`);
    if (!problem) throw new DomainError('NOT_FOUND', 'There is no such code; GET /problems lists them.');
    return problem;
  }
}
