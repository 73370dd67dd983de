import { Payload } from '@nestjs/microservices';
import { allOf } from '@sandlot/contracts';
import { backoff, DurableConsumer, OnEvent, retry } from '@sandlot/consumers';
import type { RecordedEvent } from '@sandlot/event-store';
import {
  LifetimeLoop,
  NamespaceLoop,
  NetworkPolicyLoop,
  QuotaLoop,
  RouteLoop,
  SandboxLoop,
  ServiceAccountLoop,
} from '../reconcile/loops.js';

// An event wakes, the state decides: each concern has a durable consumer of its own, whose name is permanent. The loop tries again by
// itself; an event stays unacknowledged until a run that began after it has succeeded, so that a crash in between loses no wake-up.

const again = (_: unknown, { attempt }: { attempt: number }) => retry(backoff(attempt, { firstMs: 1_000, maxMs: 60_000 }));

@DurableConsumer({ durable: 'provisioner-namespace', onError: again })
export class NamespaceConsumer {
  constructor(private readonly loop: NamespaceLoop) {}

  @OnEvent(allOf('namespace'), allOf('ledger'))
  changed(@Payload() { aggregate }: RecordedEvent): Promise<void> {
    return this.loop.wake(aggregate.id);
  }
}

@DurableConsumer({ durable: 'provisioner-quota', onError: again })
export class QuotaConsumer {
  constructor(private readonly loop: QuotaLoop) {}

  @OnEvent(allOf('namespace'), allOf('ledger'))
  changed(@Payload() { aggregate }: RecordedEvent): Promise<void> {
    return this.loop.wake(aggregate.id);
  }
}

@DurableConsumer({ durable: 'provisioner-network-policy', onError: again })
export class NetworkPolicyConsumer {
  constructor(private readonly loop: NetworkPolicyLoop) {}

  @OnEvent(allOf('namespace'))
  changed(@Payload() { aggregate }: RecordedEvent): Promise<void> {
    return this.loop.wake(aggregate.id);
  }
}

@DurableConsumer({ durable: 'provisioner-service-account', onError: again })
export class ServiceAccountConsumer {
  constructor(private readonly loop: ServiceAccountLoop) {}

  @OnEvent(allOf('namespace'))
  changed(@Payload() { aggregate }: RecordedEvent): Promise<void> {
    return this.loop.wake(aggregate.id);
  }
}

@DurableConsumer({ durable: 'provisioner-sandbox', onError: again })
export class SandboxConsumer {
  constructor(private readonly loop: SandboxLoop) {}

  @OnEvent(allOf('sandbox'))
  changed(@Payload() { aggregate }: RecordedEvent): Promise<void> {
    return this.loop.wake(aggregate.id);
  }
}

@DurableConsumer({ durable: 'provisioner-route', onError: again })
export class RouteConsumer {
  constructor(private readonly loop: RouteLoop) {}

  @OnEvent(allOf('sandbox'), allOf('preview'))
  changed(@Payload() { aggregate }: RecordedEvent): Promise<void> {
    return this.loop.wake(aggregate.id);
  }
}

@DurableConsumer({ durable: 'provisioner-lifetime', onError: again })
export class LifetimeConsumer {
  constructor(private readonly loop: LifetimeLoop) {}

  @OnEvent(allOf('sandbox'))
  changed(@Payload() { aggregate }: RecordedEvent): Promise<void> {
    return this.loop.wake(aggregate.id);
  }
}
