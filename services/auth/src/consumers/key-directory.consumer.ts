import { Ctx, Payload } from '@nestjs/microservices';
import { allOf } from '@sandlot/contracts';
import { backoff, DurableConsumer, OnEvent, ReconcileLoop, retry, type Delivery } from '@sandlot/consumers';
import type { RecordedEvent } from '@sandlot/event-store';

/** The loop that keeps the bucket `keys`. */
export class KeyDirectoryLoop extends ReconcileLoop {
  /**
   * Returns when the doors have been told of the key or user, so that who has created a key can use it and who has revoked one can rely on
   * it; or when the time is over, for the change itself is made and the loop goes on trying. Never throws.
   */
  async published(id: string, { withinMs = 1_000 } = {}): Promise<void> {
    const late = new Promise<void>((resolve) => setTimeout(resolve, withinMs).unref());
    await Promise.race([this.wake(id), late]).catch(() => undefined);
  }
}

@DurableConsumer({ durable: 'auth-key-directory', onError: (_, { attempt }) => retry(backoff(attempt, { firstMs: 50, maxMs: 5_000 })) })
export class KeyDirectoryConsumer {
  constructor(private readonly loop: KeyDirectoryLoop) {}

  @OnEvent(allOf('apikey'), allOf('user'))
  changed(@Payload() event: RecordedEvent, @Ctx() _: Delivery): Promise<void> {
    return this.loop.wake(event.aggregate.id);
  }
}
