import 'reflect-metadata';
import { Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { newId, type Fact } from '@sandlot/kernel';
import { aggregateRef, allOf, DEAD_STREAM, DOMAIN_STREAM, DOMAIN_SUBJECTS, type OwnedAggregate } from '@sandlot/contracts';
import { JetStreamEventStore, nothing, type RecordedEvent } from '@sandlot/event-store';
import { atEnd, startTestNats } from '@sandlot/testing';
import { DurableConsumer, OnEvent, type Delivery, type HandlerClass } from './durable-consumer.js';
import { retry, type FailurePolicy } from './failure-policy.js';
import { JetStreamServer, type JetStreamServerOptions } from './jetstream-server.js';

type Nats = Awaited<ReturnType<typeof startTestNats>>;

/** A broker with the streams of the log, and a way to write to it. */
export interface TestLog {
  readonly nats: Nats;
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  /** Appends the first event of a new aggregate; returns its position. */
  append(aggregate: OwnedAggregate, id: string, fact: Fact): Promise<number>;
  connect(): Promise<NatsConnection>;
}

export const domainStream = { name: DOMAIN_STREAM, subjects: [DOMAIN_SUBJECTS], allow_direct: true, allow_atomic: true };
export const deadStream = { name: DEAD_STREAM, subjects: ['dead.*'], allow_direct: true };

export async function startTestLog(): Promise<TestLog> {
  const nats = await startTestNats();
  const open = async () => {
    const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50, pingInterval: 2_000 });
    atEnd(() => connection.close());
    return connection;
  };
  const connection = await open();
  const manager = await jetstreamManager(connection);
  await manager.streams.add(domainStream);
  await manager.streams.add(deadStream);
  const store = await JetStreamEventStore.open(connection);
  return {
    nats,
    connection,
    manager,
    connect: open,
    async append(aggregate, id, fact) {
      const commandId = newId('cmd');
      const context = {
        commandId,
        at: new Date().toISOString(),
        actor: { type: 'service', id: 'test' },
        correlationId: commandId,
      } as const;
      const result = await store.append(context, [{ aggregate: aggregateRef(aggregate, id), expected: nothing, facts: [fact] }]);
      if (result.outcome !== 'appended') throw new Error(`the event was not appended: ${result.outcome}`);
      return result.position;
    },
  };
}

/** A Nest application with just these handler classes, listening. */
export async function serve(
  connection: NatsConnection,
  classes: HandlerClass[],
  options: Partial<JetStreamServerOptions> = {},
): Promise<{ server: JetStreamServer; app: INestMicroservice }> {
  class TestModule {}
  Module({ controllers: classes as never[] })(TestModule);
  const server = new JetStreamServer({ connection, stream: DOMAIN_STREAM, ...options });
  const app = await NestFactory.createMicroservice(TestModule, { strategy: server, logger: false, abortOnError: false });
  atEnd(() => app.close());
  await app.listen();
  return { server, app };
}

export type Handle = (event: RecordedEvent, delivery: Delivery) => unknown;
interface Settings {
  onError?: (error: unknown, delivery: Delivery) => FailurePolicy;
  ackWaitMs?: number;
  concurrency?: number;
}

/** A handler class for users' events. */
export function userConsumer(durable: string, handle: Handle, { onError = () => retry(10), ...settings }: Settings = {}): HandlerClass {
  @DurableConsumer({ durable, onError, ...settings })
  class UserConsumer {
    @OnEvent(allOf('user'))
    changed(@Payload() event: RecordedEvent, @Ctx() delivery: Delivery) {
      return handle(event, delivery);
    }
  }
  return UserConsumer;
}
