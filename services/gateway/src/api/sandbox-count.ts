import { Injectable } from '@nestjs/common';
import { provisionerMessages as provisioner } from '@sandlot/contracts';
import { RpcClient } from '@sandlot/service-kit';

const freshMs = 1_000;
const withinMs = 500;

/** How many sandboxes there are, at most a second old: /health needs no key and must not become a way to keep the provisioner busy. */
@Injectable()
export class SandboxCount {
  private last: number | null = null;
  private askedAt = -Infinity;
  private asking: Promise<void> = Promise.resolve();

  constructor(private readonly rpc: RpcClient) {}

  /** The last known when nobody answers, null when nobody ever did. Never throws. */
  async now(): Promise<number | null> {
    if (performance.now() - this.askedAt > freshMs) {
      this.askedAt = performance.now();
      this.asking = this.ask();
    }
    await this.asking;
    return this.last;
  }

  private async ask(): Promise<void> {
    const reply = await this.rpc.call(provisioner.CountSandboxes, {}, { withinMs }).catch(() => undefined);
    if (reply) this.last = reply.count;
  }
}
