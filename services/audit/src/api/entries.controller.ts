import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { auditMessages as messages } from '@sandlot/contracts';
import { ReadSide } from '@sandlot/projections';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Entries, format, tailCursor } from '../entries.js';

const lookEveryMs = 100;

@Controller()
export class EntriesController {
  constructor(
    private readonly entries: Entries,
    private readonly reads: ReadSide,
  ) {}

  @Handles(messages.ListAuditEntries)
  async list(@Payload() { limit, cursor, order, atLeast, ...filters }: z.output<typeof messages.ListAuditEntries.request>) {
    if (atLeast !== undefined) await this.reads.runner.reached('trail', atLeast, { withinMs: 2_000 });
    return this.entries.list({ filters, order, limit, cursor });
  }

  @Handles(messages.TailAuditEntries)
  async tail(@Payload() { cursor, waitMs, limit, filters }: z.output<typeof messages.TailAuditEntries.request>) {
    let from = cursor === undefined ? await this.entries.head() : tailCursor(cursor);
    for (const deadline = Date.now() + waitMs; ; await new Promise((resolve) => setTimeout(resolve, lookEveryMs))) {
      const page = await this.entries.tail(from, filters, limit);
      from = page.cursor;
      if (page.items.length > 0 || Date.now() >= deadline)
        return { items: page.items.map((item) => ({ cursor: format(item.cursor), entry: item.entry })), cursor: format(from) };
    }
  }
}
