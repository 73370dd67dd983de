import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { provisionerMessages as messages, type ReplyOf } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Discovered } from '../discovered.js';
import { RouteLoop } from '../reconcile/loops.js';
import { SandboxList } from '../sandbox-list.js';
import { Sandboxes, settled } from '../sandboxes.js';

type Request<Name extends keyof typeof messages> = z.output<(typeof messages)[Name]['request']>;

const lookEveryMs = 25;

@Controller()
export class SandboxesController {
  constructor(
    private readonly sandboxes: Sandboxes,
    private readonly list: SandboxList,
    private readonly routes: RouteLoop,
    private readonly discovered: Discovered,
  ) {}

  @Handles(messages.RequestSandbox)
  request(@Payload() request: Request<'RequestSandbox'>): Promise<ReplyOf<typeof messages.RequestSandbox>> {
    return this.sandboxes.request(request);
  }

  @Handles(messages.PauseSandbox)
  pause(@Payload() request: Request<'PauseSandbox'>) {
    return this.sandboxes.pause(request);
  }

  @Handles(messages.ResumeSandbox)
  resume(@Payload() request: Request<'ResumeSandbox'>) {
    return this.sandboxes.resume(request);
  }

  @Handles(messages.DeleteSandbox)
  delete(@Payload() request: Request<'DeleteSandbox'>) {
    return this.sandboxes.delete(request);
  }

  @Handles(messages.GetSandbox)
  async get(@Payload() { userId, name, asOf, settledWithinMs = 0 }: Request<'GetSandbox'>) {
    for (const deadline = Date.now() + settledWithinMs; ; await new Promise((resolve) => setTimeout(resolve, lookEveryMs))) {
      const sandbox = await this.sandboxes.get(userId, name, asOf);
      if (settled(sandbox) || Date.now() >= deadline) {
        if (settledWithinMs > 0) await this.published(sandbox.id, deadline);
        return sandbox;
      }
    }
  }

  /** Who waits for a sandbox will turn to the proxies next, and they must know of it by then. */
  private async published(id: string, deadline: number): Promise<void> {
    const late = new Promise((resolve) => setTimeout(resolve, Math.max(0, deadline - Date.now())).unref());
    await Promise.race([this.routes.wake(id), late]).catch(() => undefined); // the loop tries again by itself
  }

  @Handles(messages.ListSandboxes)
  all(@Payload() request: Request<'ListSandboxes'>) {
    return this.list.page(request);
  }

  @Handles(messages.CountSandboxes)
  async count() {
    return { count: (await this.list.count()) + this.discovered.count() };
  }
}
