import { Controller, Get, Headers, Query, Res } from '@nestjs/common';
import { AuditFilters, auditMessages as audit, AuditPage, AuditQuery } from '@sandlot/contracts';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { followTrail } from '../audit/audit-stream.js';
import { exportPageSize, jsonLines, wantsJsonLines } from '../audit/json-lines.js';
import { Streaming } from '../audit/streaming.js';
import { AtLeast } from '../http/answer.interceptor.js';
import { Operation } from '../http/operation.js';

const listQuery = AuditQuery.strict();
const exportQuery = AuditQuery.omit({ limit: true }).strict();
const streamQuery = z.strictObject({ ...AuditFilters.shape, after: AuditQuery.shape.cursor.describe('like Last-Event-ID') });

/** Who did what to what, when, with which outcome. */
@Controller('api/v1')
export class AuditController {
  constructor(
    private readonly rpc: RpcClient,
    private readonly streaming: Streaming,
  ) {}

  @Get('audit-logs')
  @Permission('audit:read')
  @Operation('Lists the audit trail; with `Accept: application/jsonl` all of it that the filters leave, from the cursor on', {
    200: AuditPage,
  })
  async list(
    @Query({ schema: listQuery }) { limit, ...query }: z.output<typeof listQuery>,
    @AtLeast() atLeast: number | undefined,
    @Headers('accept') accept: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    void reply.header('vary', 'accept');
    if (wantsJsonLines(accept)) return this.export(query, atLeast, reply);
    void reply.send(await this.rpc.call(audit.ListAuditEntries, { ...query, limit, atLeast }));
  }

  @Get('audit-logs.jsonl')
  @Permission('audit:export')
  @Operation('Exports the audit trail as JSON Lines', { 200: 'An AuditEntry a line' })
  async export(
    @Query({ schema: exportQuery }) { cursor, ...query }: z.output<typeof exportQuery>,
    @AtLeast() atLeast: number | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const signal = this.streaming.clientOf(reply);
    const pageAt = (at: string | undefined) =>
      this.rpc.call(audit.ListAuditEntries, { ...query, atLeast, cursor: at, limit: exportPageSize }, { signal });
    this.streaming.send(reply, 'application/jsonl', await jsonLines(pageAt, cursor));
  }

  @Get('audit-logs/stream')
  @Permission('audit:read')
  @Operation('Follows the audit trail as Server-Sent Events, from now on or from Last-Event-ID', { 200: 'An AuditEntry an event' })
  async stream(
    @Query({ schema: streamQuery }) { after, ...filters }: z.output<typeof streamQuery>,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const signal = this.streaming.lifetimeOf(reply);
    const events = await followTrail(this.rpc, { filters, cursor: lastEventId || after, signal });
    this.streaming.send(reply, 'text/event-stream; charset=utf-8', events);
  }
}
