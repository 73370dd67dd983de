import { Injectable } from '@nestjs/common';
import { operatedServices, operationsOf, type OperatedService, type UnansweredService } from '@sandlot/contracts';
import { DomainError, type ErrorCode } from '@sandlot/kernel';
import { RpcClient } from '@sandlot/service-kit';

export type Operations = ReturnType<typeof operationsOf>;

/** How long a list waits for a service, in ms. */
export const listWithinMs = 2_000;

/** The services that operators look after. */
@Injectable()
export class OperatedServices {
  constructor(private readonly rpc: RpcClient) {}

  /** Asks every service at once. One that does not answer is named, and keeps nobody from seeing the others. */
  async everywhere<Item>(
    ask: (rpc: RpcClient, operations: Operations) => Promise<Item[]>,
  ): Promise<{ items: Item[]; unanswered: UnansweredService[] }> {
    const items: Item[] = [];
    const unanswered: UnansweredService[] = [];
    const answers = await Promise.allSettled(operatedServices.map((service) => ask(this.rpc, operationsOf(service))));
    for (const [index, answer] of answers.entries()) {
      if (answer.status === 'fulfilled') items.push(...answer.value);
      else if (answer.reason instanceof DomainError)
        unanswered.push({ service: operatedServices[index]!, code: answer.reason.code, detail: answer.reason.message });
      else throw answer.reason;
    }
    return { items, unanswered };
  }

  /** The messages of one service; refuses with the code when there is no such service, and so nothing of that name in it. */
  of(service: string, refusal: ErrorCode): Operations {
    if (isOperated(service)) return operationsOf(service);
    throw new DomainError(refusal, `there is no service ${service.slice(0, 64)} with any`);
  }
}

const isOperated = (service: string): service is OperatedService => (operatedServices as readonly string[]).includes(service);
