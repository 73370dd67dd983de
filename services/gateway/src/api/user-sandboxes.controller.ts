import { Controller, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { provisionerMessages as provisioner, Sandbox } from '@sandlot/contracts';
import type { CommandContext } from '@sandlot/kernel';
import { Caller, Permission, RpcClient } from '@sandlot/service-kit';
import { found } from '../http/answer.js';
import { Command } from '../http/command.js';
import { Operation } from '../http/operation.js';
import { IfMatch } from '../http/preconditions.js';
import { Wait } from '../http/prefer.js';
import { Owners } from './owners.js';
import { SandboxOutcomes } from './sandbox-outcomes.js';
import { AsOfQuery, NamespaceQuery } from './sandbox-queries.js';

const locationOf = (username: string, name: string) => `/api/v1/sandboxes/${encodeURIComponent(username)}/${encodeURIComponent(name)}`;

/** Sandboxes by their owner's name: the owner's own, and everybody's for administrators, who need the permission `user-sandbox:…` too. */
@Controller('api/v1/sandboxes/:username/:name')
export class UserSandboxesController {
  constructor(
    private readonly rpc: RpcClient,
    private readonly owners: Owners,
    private readonly outcomes: SandboxOutcomes,
  ) {}

  @Get()
  @Permission('sandbox:read')
  @Operation("A user's sandbox as it is, or as it was", { 200: Sandbox })
  async get(
    @Caller() caller: Caller,
    @Param('username') username: string,
    @Param('name') name: string,
    @Query({ schema: AsOfQuery }) { asOf }: AsOfQuery,
  ) {
    const userId = await this.owners.resolve(caller, username, 'user-sandbox:read');
    return found(await this.rpc.call(provisioner.GetSandbox, { userId, name, asOf }));
  }

  @Delete()
  @Permission('sandbox:delete')
  @Operation("Deletes a user's sandbox and its files; 202 while it goes", { 202: Sandbox, 204: 'It is gone' })
  async delete(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('username') username: string,
    @Param('name') name: string,
    @IfMatch() expectedVersion: number | undefined,
    @Wait() wait: number,
    @Query({ schema: NamespaceQuery }) { namespace }: NamespaceQuery,
  ) {
    const userId = await this.owners.resolve(caller, username, 'user-sandbox:delete');
    const accepted = await this.rpc.call(provisioner.DeleteSandbox, { context, userId, namespace, name, expectedVersion });
    return this.outcomes.of(accepted, { location: locationOf(username, name), wait });
  }

  @Post('pause')
  @Permission('sandbox:pause')
  @Operation("Stops a user's sandbox and keeps its files; 202 while it stops", { 200: Sandbox, 202: Sandbox })
  async pause(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('username') username: string,
    @Param('name') name: string,
    @IfMatch() expectedVersion: number | undefined,
    @Wait() wait: number,
  ) {
    const userId = await this.owners.resolve(caller, username, 'user-sandbox:pause');
    const accepted = await this.rpc.call(provisioner.PauseSandbox, { context, userId, name, expectedVersion });
    return this.outcomes.of(accepted, { location: locationOf(username, name), wait });
  }

  @Post('resume')
  @Permission('sandbox:resume')
  @Operation("Starts a user's paused sandbox again; 202 while it starts", { 200: Sandbox, 202: Sandbox })
  async resume(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('username') username: string,
    @Param('name') name: string,
    @IfMatch() expectedVersion: number | undefined,
    @Wait() wait: number,
  ) {
    const userId = await this.owners.resolve(caller, username, 'user-sandbox:resume');
    const accepted = await this.rpc.call(provisioner.ResumeSandbox, { context, userId, name, expectedVersion });
    return this.outcomes.of(accepted, { location: locationOf(username, name), wait });
  }
}
