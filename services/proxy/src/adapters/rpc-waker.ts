import { provisionerMessages, type RouteRecord } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import type { RpcClient } from '@sandlot/service-kit';
import type { WakeAttempt, Waker } from '../wake.js';

/** Asks the provisioner, in the name of whoever sent the request that woke the sandbox. */
export class RpcWaker implements Waker {
  constructor(private readonly rpc: Pick<RpcClient, 'call'>) {}

  async wake({ owner, name }: RouteRecord, { caller, ip, requestId, traceparent }: WakeAttempt): Promise<void> {
    const context = {
      commandId: newId('cmd'),
      at: new Date().toISOString(),
      actor: { type: caller.role, id: caller.userId, keyId: caller.keyId, ip },
      correlationId: requestId,
      ...(traceparent !== undefined && { traceparent }),
    };
    await this.rpc.call(provisionerMessages.ResumeSandbox, { context, userId: owner, name });
  }
}
