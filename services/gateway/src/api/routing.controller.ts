import { Controller, Get, Query } from '@nestjs/common';
import { authMessages as auth, proxyMessages as proxy, RoutingExplanation, RoutingQuery } from '@sandlot/contracts';
import { Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Operation } from '../http/operation.js';

/** Why a request is answered as it is. */
@Controller('api/v1/admin/routing')
export class RoutingController {
  constructor(private readonly rpc: RpcClient) {}

  @Get()
  @Permission('operations:read')
  @Operation('What the proxy would do with a request of a user, and why; nothing is sent, woken or counted', { 200: RoutingExplanation })
  async explain(@Query({ schema: RoutingQuery }) { user, ...question }: z.output<typeof RoutingQuery>) {
    const { userId } = await this.rpc.call(auth.ResolveUsername, { username: user });
    return this.rpc.call(proxy.ExplainRouting, { ...question, userId });
  }
}
