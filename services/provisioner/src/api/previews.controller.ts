import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { provisionerMessages as messages } from '@sandlot/contracts';
import { Handles } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Previews } from '../previews.js';
import { RouteLoop } from '../reconcile/loops.js';

type Request<Name extends keyof typeof messages> = z.output<(typeof messages)[Name]['request']>;

/** Milliseconds that an answer waits at most until the route that says so has been written. */
const PUBLISHED_WITHIN_MS = 1000;

@Controller()
export class PreviewsController {
  constructor(
    private readonly previews: Previews,
    private readonly routes: RouteLoop,
  ) {}

  @Handles(messages.OpenPreview)
  async open(@Payload() request: Request<'OpenPreview'>) {
    const { sandboxId, ...opened } = await this.previews.open(request);
    await this.published(sandboxId);
    return opened;
  }

  @Handles(messages.RevokePreview)
  async revoke(@Payload() request: Request<'RevokePreview'>) {
    const { sandboxId, ...revoked } = await this.previews.revoke(request);
    await this.published(sandboxId);
    return revoked;
  }

  @Handles(messages.ListPreviews)
  list(@Payload() request: Request<'ListPreviews'>) {
    return this.previews.list(request);
  }

  /** Whoever gets the answer will try it at once. */
  private async published(sandboxId: string): Promise<void> {
    const late = new Promise((resolve) => setTimeout(resolve, PUBLISHED_WITHIN_MS).unref());
    await Promise.race([this.routes.wake(sandboxId), late]).catch(() => undefined); // the loop tries again by itself
  }
}
