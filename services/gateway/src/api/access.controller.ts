import { Controller, Get, Headers, Query, Res } from '@nestjs/common';
import { AccessPage, AccessQuery, auditMessages as audit, UsagePage, UsageQuery } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { Caller, may, Permission, RpcClient, type PermissionName } from '@sandlot/service-kit';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { exportPageSize, jsonLines, wantsJsonLines } from '../audit/json-lines.js';
import { Streaming } from '../audit/streaming.js';
import { Operation } from '../http/operation.js';

const listQuery = AccessQuery.strict();
const exportQuery = AccessQuery.omit({ limit: true }).strict();
const usageQuery = UsageQuery.strict();

/** What passed the door, and what it adds up to. Everybody sees their own, administrators everybody's. */
@Controller('api/v1')
export class AccessController {
  constructor(
    private readonly rpc: RpcClient,
    private readonly streaming: Streaming,
  ) {}

  @Get('access-logs')
  @Permission('access:read')
  @Operation('Lists requests, WebSockets and tunnels; with `Accept: application/jsonl` all of them that the filters leave', {
    200: AccessPage,
  })
  async list(
    @Caller() caller: Caller,
    @Query({ schema: listQuery }) { limit, ...query }: z.output<typeof listQuery>,
    @Headers('accept') accept: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    void reply.header('vary', 'accept');
    if (wantsJsonLines(accept)) return this.export(caller, query, reply);
    void reply.send(await this.rpc.call(audit.ListAccess, { ...query, limit, user: whose(caller, query.user, 'user-access:read') }));
  }

  @Get('access-logs.jsonl')
  @Permission('access:read')
  @Operation('Exports requests, WebSockets and tunnels as JSON Lines', { 200: 'An AccessEntry a line' })
  async export(
    @Caller() caller: Caller,
    @Query({ schema: exportQuery }) { cursor, ...query }: z.output<typeof exportQuery>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const user = whose(caller, query.user, 'user-access:read');
    const signal = this.streaming.clientOf(reply);
    const pageAt = (at: string | undefined) =>
      this.rpc.call(audit.ListAccess, { ...query, user, cursor: at, limit: exportPageSize }, { signal });
    this.streaming.send(reply, 'application/jsonl', await jsonLines(pageAt, cursor));
  }

  @Get('usage')
  @Permission('usage:read')
  @Operation('Requests, bytes and connection time per user, day and sandbox, the newest day first', { 200: UsagePage })
  usage(@Caller() caller: Caller, @Query({ schema: usageQuery }) query: z.output<typeof usageQuery>) {
    return this.rpc.call(audit.ListUsage, { ...query, user: whose(caller, query.user, 'user-usage:read') });
  }
}

/** Whose records are meant: anybody's or everybody's for who has the permission, one's own for all others. */
function whose(caller: Caller, asked: string | undefined, everybodys: PermissionName): string | undefined {
  if (may(caller.role, everybodys)) return asked;
  if (asked !== undefined && asked !== caller.userId && asked !== caller.username)
    throw new DomainError('FORBIDDEN', 'only administrators see what others sent; leave `user` out to see your own');
  return caller.userId;
}
