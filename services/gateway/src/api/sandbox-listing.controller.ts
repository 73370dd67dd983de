import { Controller, Get } from '@nestjs/common';
import { provisionerMessages as provisioner, SandboxListing, type Sandbox } from '@sandlot/contracts';
import type { UserId } from '@sandlot/kernel';
import { Caller, may, Permission, RpcClient } from '@sandlot/service-kit';
import { AtLeast } from '../http/answer.interceptor.js';
import { Operation } from '../http/operation.js';

/** The list of sandboxes in the form that it had outside /api: all at once, by path. */
@Controller('sandboxes')
export class SandboxListingController {
  constructor(private readonly rpc: RpcClient) {}

  @Get()
  @Permission('sandbox:read')
  @Operation("The caller's sandboxes by path; everybody's for administrators", { 200: SandboxListing })
  async list(@Caller() caller: Caller, @AtLeast() atLeast: number | undefined): Promise<SandboxListing> {
    const userId = may(caller.role, 'user-sandbox:read') ? undefined : (caller.userId as UserId);
    const sandboxes: SandboxListing['sandboxes'] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.rpc.call(provisioner.ListSandboxes, { userId, atLeast, cursor, limit: 200 });
      sandboxes.push(...page.items.map(entry));
      if (page.nextCursor === null) return { count: sandboxes.length, sandboxes };
      cursor = page.nextCursor;
    }
  }
}

const entry = ({ username, name, service, namespace, state }: Sandbox): SandboxListing['sandboxes'][number] => ({
  path: `${username}/${name}`,
  service: service ?? name,
  namespace,
  ready: state === 'running',
});
