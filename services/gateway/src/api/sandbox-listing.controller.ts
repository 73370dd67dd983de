import { Controller, Get } from '@nestjs/common';
import { provisionerMessages as provisioner, SandboxListing, type DiscoveredSandbox, type Sandbox } from '@sandlot/contracts';
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
  @Operation("The caller's sandboxes by path, discovered ones included; everybody's for administrators", { 200: SandboxListing })
  async list(@Caller() caller: Caller, @AtLeast() atLeast: number | undefined): Promise<SandboxListing> {
    const everybodys = may(caller.role, 'user-sandbox:read');
    const own = await this.own(everybodys ? undefined : (caller.userId as UserId), atLeast);
    const { discovered, incomplete } = await this.discovered(everybodys ? undefined : caller.username);
    const sandboxes = [...own.map(entry), ...discovered.map(discoveredEntry)];
    return { count: sandboxes.length, sandboxes, ...(incomplete !== undefined && { incomplete }) };
  }

  private async own(userId: UserId | undefined, atLeast: number | undefined): Promise<Sandbox[]> {
    const sandboxes: Sandbox[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.rpc.call(provisioner.ListSandboxes, { userId, atLeast, cursor, limit: 200 });
      sandboxes.push(...page.items);
      if (page.nextCursor === null) return sandboxes;
      cursor = page.nextCursor;
    }
  }

  private async discovered(username: string | undefined): Promise<{ discovered: DiscoveredSandbox[]; incomplete: string | undefined }> {
    const discovered: DiscoveredSandbox[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await this.rpc.call(provisioner.ListDiscovered, { username, cursor, limit: 200 });
      discovered.push(...page.items);
      if (page.nextCursor === null) return { discovered, incomplete: page.incomplete };
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

const discoveredEntry = ({ username, ...discovered }: DiscoveredSandbox): SandboxListing['sandboxes'][number] => {
  const { name, service = name, ...rest } = discovered;
  return { path: `${username}/${name}`, service, ...rest };
};
