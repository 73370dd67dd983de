import { Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { authMessages as auth, NamespaceView, provisionerMessages as provisioner } from '@sandlot/contracts';
import type { CommandContext } from '@sandlot/kernel';
import { Permission, RpcClient } from '@sandlot/service-kit';
import { Answer, at } from '../http/answer.js';
import { Command } from '../http/command.js';
import { Operation } from '../http/operation.js';

/** Users' namespaces, for administrators. */
@Controller('api/v1/admin/namespaces/:username')
export class NamespacesController {
  constructor(private readonly rpc: RpcClient) {}

  @Get()
  @Permission('namespace:read')
  @Operation("A user's namespace as it was last seen, and what is wrong with it", { 200: NamespaceView })
  async get(@Param('username') username: string) {
    return this.rpc.call(provisioner.GetNamespace, await this.user(username));
  }

  @Post('adopt')
  @HttpCode(200)
  @Permission('namespace:adopt')
  @Operation('Hands over a namespace that Sandlot did not make: from then on it is marked, limited, isolated and deleted like its own', {
    200: NamespaceView,
  })
  async adopt(@Command() context: CommandContext, @Param('username') username: string) {
    const { userId } = await this.user(username);
    const { position, namespace } = await this.rpc.call(provisioner.AdoptNamespace, { context, owner: { userId, username } });
    return new Answer(200, at(position), namespace);
  }

  private user(username: string) {
    return this.rpc.call(auth.ResolveUsername, { username: username.slice(0, 64) });
  }
}
