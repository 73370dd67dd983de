import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import {
  CreateSessionBody,
  ExtendSessionBody,
  provisionerMessages as provisioner,
  Session,
  SessionListQuery,
  SessionPage,
  type Sandbox,
} from '@sandlot/contracts';
import type { CommandContext, SandboxId, UserId } from '@sandlot/kernel';
import { Caller, may, Permission, RpcClient, type PermissionName } from '@sandlot/service-kit';
import type { z } from 'zod';
import { changed, found } from '../http/answer.js';
import { AtLeast } from '../http/answer.interceptor.js';
import { Command } from '../http/command.js';
import { ofSession } from '../http/existing-id.js';
import { Operation } from '../http/operation.js';
import { IfMatch } from '../http/preconditions.js';
import { Wait } from '../http/prefer.js';
import { SandboxOutcomes } from './sandbox-outcomes.js';

const listQuery = SessionListQuery.strict();
const locationOf = (id: SandboxId) => `/api/v1/sessions/${id}`;

/** Sandboxes with a lifetime, by their ids: the caller's own, and for administrators anybody's by its id. */
@Controller('api/v1/sessions')
export class SessionsController {
  constructor(
    private readonly rpc: RpcClient,
    private readonly outcomes: SandboxOutcomes,
  ) {}

  @Post()
  @Permission('sandbox:create')
  @Operation('Creates a sandbox that is deleted after `ttl` seconds; 202 while it starts, 201 to who waits until its port answers', {
    201: Session,
    202: Session,
  })
  async create(
    @Command() context: CommandContext,
    @Caller() { userId, username }: Caller,
    @Wait() wait: number,
    @Body({ schema: CreateSessionBody }) { ttl, idleTimeout, ...settings }: z.output<typeof CreateSessionBody>,
  ) {
    const owner = { userId: userId as UserId, username };
    const asked = { context, owner, ttlSeconds: ttl, idleTimeoutSeconds: idleTimeout, ...settings };
    const accepted = await this.rpc.call(provisioner.RequestSandbox, asked);
    return this.outcomes.of(accepted, { location: locationOf(accepted.sandbox.id), wait, creates: true, shown: sessionOf });
  }

  @Get()
  @Permission('sandbox:read')
  @Operation("Lists the caller's sessions, newest first", { 200: SessionPage })
  async list(
    @Caller() { userId }: Caller,
    @AtLeast() atLeast: number | undefined,
    @Query({ schema: listQuery }) query: z.output<typeof listQuery>,
  ) {
    const asked = { ...query, userId: userId as UserId, expiring: true as const, atLeast };
    const { items, nextCursor } = await this.rpc.call(provisioner.ListSandboxes, asked);
    return { items: items.map(sessionOf), nextCursor };
  }

  @Get(':sessionId')
  @Permission('sandbox:read')
  @Operation('A session as it is; 410 with the reason once it is over', { 200: Session })
  async get(@Caller() caller: Caller, @Param('sessionId', ofSession) id: SandboxId) {
    return found(sessionOf(await this.rpc.call(provisioner.GetSession, { userId: owning(caller, 'user-sandbox:read'), id })));
  }

  @Post(':sessionId/extend')
  @Permission('sandbox:update')
  @Operation('Lets a session live for `ttl` seconds from now, if that is longer than it would', { 200: Session })
  async extend(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('sessionId', ofSession) id: SandboxId,
    @IfMatch() expectedVersion: number | undefined,
    @Body({ schema: ExtendSessionBody }) { ttl }: z.output<typeof ExtendSessionBody>,
  ) {
    const meant = { context, userId: caller.userId as UserId, id, expectedVersion, ttlSeconds: ttl };
    const { position, sandbox } = await this.rpc.call(provisioner.ExtendSession, meant);
    return changed(position, sessionOf(sandbox));
  }

  @Delete(':sessionId')
  @Permission('sandbox:delete')
  @Operation('Ends a session and deletes its files; 202 while it goes', { 202: Session, 204: 'It is gone' })
  async delete(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('sessionId', ofSession) id: SandboxId,
    @IfMatch() expectedVersion: number | undefined,
    @Wait() wait: number,
  ) {
    const meant = { context, userId: owning(caller, 'user-sandbox:delete'), id, expectedVersion };
    const accepted = await this.rpc.call(provisioner.DeleteSession, meant);
    return this.outcomes.of(accepted, { location: locationOf(id), wait, shown: sessionOf });
  }
}

/** Whose it must be: anybody's for who has the permission. */
const owning = ({ role, userId }: Caller, permission: PermissionName): UserId | undefined =>
  may(role, permission) ? undefined : (userId as UserId);

/** Every session has a lifetime: the provisioner hands out no other sandbox as one. */
function sessionOf({ ttlSeconds, idleTimeoutSeconds, expiresAt, ...sandbox }: Sandbox): Session {
  return {
    ...sandbox,
    ttl: ttlSeconds!,
    expiresAt: expiresAt!,
    ...(idleTimeoutSeconds !== undefined && { idleTimeout: idleTimeoutSeconds }),
  };
}
