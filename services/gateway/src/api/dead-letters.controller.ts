import { Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { DeadLetterPage, DeadLetterQuery } from '@sandlot/contracts';
import { DomainError, type CommandContext } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { done } from '../http/answer.js';
import { Command } from '../http/command.js';
import { Operation } from '../http/operation.js';
import { listWithinMs, OperatedServices } from './operated-services.js';

const query = DeadLetterQuery.strict();
const refusal = 'DEAD_LETTER_NOT_FOUND';

/** What handlers gave up on. */
@Controller('api/v1/admin/dead-letters')
export class DeadLettersController {
  constructor(
    private readonly rpc: RpcClient,
    private readonly services: OperatedServices,
  ) {}

  @Get()
  @Permission('operations:read')
  @Operation('Lists dead letters, oldest first', { 200: DeadLetterPage })
  async list(@Query({ schema: query }) { limit, cursor, consumer }: z.output<typeof query>): Promise<z.output<typeof DeadLetterPage>> {
    const after = cursor === undefined ? undefined : positionIn(cursor);
    const { items, unanswered } = await this.services.everywhere((rpc, operations) =>
      rpc.call(operations.listDeadLetters, { after, limit: limit + 1, consumer }, { withinMs: listWithinMs }),
    );
    // Ids are positions in the one stream that holds the letters of all services.
    const letters = items.sort((a, b) => a.id - b.id);
    const page = letters.slice(0, limit);
    return { items: page, nextCursor: letters.length > limit ? String(page.at(-1)!.id) : null, unanswered };
  }

  @Post(':service/:id/replay')
  @Permission('operations:write')
  @Operation('Hands the event to its handler again', { 204: 'It is handled, and the letter gone' })
  async replay(@Command() context: CommandContext, @Param('service') service: string, @Param('id') id: string) {
    await this.rpc.call(this.services.of(service, refusal).replayDeadLetter, { context, id: idIn(id) });
    return done();
  }

  @Delete(':service/:id')
  @Permission('operations:write')
  @Operation('Discards a dead letter', { 204: 'It is gone' })
  async discard(@Command() context: CommandContext, @Param('service') service: string, @Param('id') id: string) {
    await this.rpc.call(this.services.of(service, refusal).discardDeadLetter, { context, id: idIn(id) });
    return done();
  }
}

const wholeNumber = /^[1-9]\d{0,14}$/;

function positionIn(cursor: string): number {
  if (!wholeNumber.test(cursor)) throw new DomainError('INVALID_CURSOR', 'the cursor is not one of this list');
  return Number(cursor);
}

function idIn(id: string): number {
  if (!wholeNumber.test(id)) throw new DomainError(refusal, 'there is no such dead letter');
  return Number(id);
}
