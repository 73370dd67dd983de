import { Body, Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { CreateSandboxBody, provisionerMessages as provisioner, Sandbox, SandboxListQuery, SandboxPage } from '@sandlot/contracts';
import type { CommandContext, UserId } from '@sandlot/kernel';
import { Caller, Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { found } from '../http/answer.js';
import { AtLeast } from '../http/answer.interceptor.js';
import { Command } from '../http/command.js';
import { Operation } from '../http/operation.js';
import { IfMatch } from '../http/preconditions.js';
import { Wait } from '../http/prefer.js';
import { SandboxOutcomes } from './sandbox-outcomes.js';
import { AsOfQuery, NamespaceQuery } from './sandbox-queries.js';

const listQuery = SandboxListQuery.strict();
const locationOf = (name: string) => `/api/v1/sandboxes/${encodeURIComponent(name)}`;

/** The caller's own sandboxes. */
@Controller('api/v1/sandboxes')
export class SandboxesController {
  constructor(
    private readonly rpc: RpcClient,
    private readonly outcomes: SandboxOutcomes,
  ) {}

  @Post()
  @Permission('sandbox:create')
  @Operation('Creates a sandbox; 202 while it starts', { 201: Sandbox, 202: Sandbox })
  async create(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Wait() wait: number,
    @Body({ schema: CreateSandboxBody }) sandbox: z.output<typeof CreateSandboxBody>,
  ) {
    const accepted = await this.rpc.call(provisioner.RequestSandbox, { context, owner: ownerOf(caller), ...sandbox });
    return this.outcomes.of(accepted, { location: locationOf(sandbox.name), wait, creates: true });
  }

  @Get()
  @Permission('sandbox:read')
  @Operation("Lists the caller's sandboxes, newest first", { 200: SandboxPage })
  list(@Caller() caller: Caller, @AtLeast() atLeast: number | undefined, @Query({ schema: listQuery }) query: z.output<typeof listQuery>) {
    return this.rpc.call(provisioner.ListSandboxes, { ...query, userId: ownerOf(caller).userId, atLeast });
  }

  @Get(':name')
  @Permission('sandbox:read')
  @Operation('A sandbox as it is, or as it was at a past position of the log or time', { 200: Sandbox })
  async get(@Caller() caller: Caller, @Param('name') name: string, @Query({ schema: AsOfQuery }) { asOf }: AsOfQuery) {
    return found(await this.rpc.call(provisioner.GetSandbox, { userId: ownerOf(caller).userId, name, asOf }));
  }

  @Delete(':name')
  @Permission('sandbox:delete')
  @Operation('Deletes a sandbox and its files, whatever state it is in; 202 while it goes', { 202: Sandbox, 204: 'It is gone' })
  async delete(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('name') name: string,
    @IfMatch() expectedVersion: number | undefined,
    @Wait() wait: number,
    @Query({ schema: NamespaceQuery }) { namespace }: NamespaceQuery,
  ) {
    const { userId } = ownerOf(caller);
    const accepted = await this.rpc.call(provisioner.DeleteSandbox, { context, userId, namespace, name, expectedVersion });
    return this.outcomes.of(accepted, { location: locationOf(name), wait });
  }

  @Post(':name/pause')
  @Permission('sandbox:pause')
  @Operation("Stops a sandbox's processes and keeps its files; 202 while it stops", { 200: Sandbox, 202: Sandbox })
  async pause(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('name') name: string,
    @IfMatch() expectedVersion: number | undefined,
    @Wait() wait: number,
  ) {
    const { userId } = ownerOf(caller);
    const accepted = await this.rpc.call(provisioner.PauseSandbox, { context, userId, name, expectedVersion });
    return this.outcomes.of(accepted, { location: locationOf(name), wait });
  }

  @Post(':name/resume')
  @Permission('sandbox:resume')
  @Operation('Starts a paused sandbox again; 202 while it starts', { 200: Sandbox, 202: Sandbox })
  async resume(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('name') name: string,
    @IfMatch() expectedVersion: number | undefined,
    @Wait() wait: number,
  ) {
    const { userId } = ownerOf(caller);
    const accepted = await this.rpc.call(provisioner.ResumeSandbox, { context, userId, name, expectedVersion });
    return this.outcomes.of(accepted, { location: locationOf(name), wait });
  }
}

const ownerOf = ({ userId, username }: Caller) => ({ userId: userId as UserId, username });
