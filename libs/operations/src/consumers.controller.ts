import { Controller, Inject, type Type } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { operationsOf, type OperatedService } from '@sandlot/contracts';
import { ConsumerAdmin, type ReconcileLoop } from '@sandlot/consumers';
import type { CommandContext } from '@sandlot/kernel';
import { Handles } from '@sandlot/service-kit';

/** The reconcile loop behind each durable consumer that only wakes one: what a replay of it does, the loop can tell. */
export const LOOPS = Symbol('loops by durable consumer');
export type Loops = Readonly<Record<string, ReconcileLoop>>;

interface Asked {
  context: CommandContext;
  name: string;
}

/** What operators ask of a service's durable consumers and their dead letters. */
export function consumersController(service: OperatedService): Type {
  const messages = operationsOf(service);

  @Controller()
  class ConsumersController {
    constructor(
      private readonly admin: ConsumerAdmin,
      @Inject(LOOPS) private readonly loops: Loops,
    ) {}

    @Handles(messages.listConsumers)
    list() {
      return this.admin.list();
    }

    @Handles(messages.pauseConsumer)
    async pause(@Payload() { context, name, until }: Asked & { until: string }) {
      await this.admin.pause(context, name, new Date(until));
      return {};
    }

    @Handles(messages.resumeConsumer)
    async resume(@Payload() { context, name }: Asked) {
      await this.admin.resume(context, name);
      return {};
    }

    /** Events again from there on; where they only wake a reconciler, its full pass says what was not right and is now. */
    @Handles(messages.replayConsumer)
    async replay(@Payload() { context, name, from }: Asked & { from: { fromPosition?: number; fromTime?: string } }) {
      await this.admin.replayFrom(context, name, from.fromPosition ?? new Date(from.fromTime!));
      return (await this.loops[name]?.wakeAll()) ?? { reconciled: 0, changed: [], failed: [] };
    }

    @Handles(messages.listDeadLetters)
    letters(@Payload() { after, limit, consumer }: { after?: number; limit: number; consumer?: string }) {
      return this.admin.deadLetters({ ...(after && { after }), limit, ...(consumer && { durable: consumer }) });
    }

    @Handles(messages.replayDeadLetter)
    async replayLetter(@Payload() { context, id }: { context: CommandContext; id: number }) {
      await this.admin.replayDeadLetter(context, id);
      return {};
    }

    @Handles(messages.discardDeadLetter)
    async discardLetter(@Payload() { context, id }: { context: CommandContext; id: number }) {
      await this.admin.discardDeadLetter(context, id);
      return {};
    }
  }
  return ConsumersController;
}
