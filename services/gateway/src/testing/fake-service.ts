import {
  auditMessages,
  authMessages,
  conditionsSubject,
  operationsOf,
  provisionerMessages,
  proxyMessages,
  type Condition,
  type Message,
  type ReplyOf,
} from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { connectNats, RpcServer } from '@sandlot/service-kit';
import { atEnd } from '@sandlot/testing';
import { throwError } from 'rxjs';
import type { z } from 'zod';

type Handler = (request: never) => unknown;
export type FakeName = 'auth' | 'provisioner' | 'audit' | 'proxy';

const messages: Record<FakeName, Message[]> = {
  auth: [...Object.values(authMessages), ...Object.values(operationsOf('auth'))],
  provisioner: [...Object.values(provisionerMessages), ...Object.values(operationsOf('provisioner'))],
  audit: [...Object.values(auditMessages), ...Object.values(operationsOf('audit'))],
  proxy: Object.values(proxyMessages),
};

/** Asked by the gateway of its own accord too, to know how the platform is. */
const lists = /\.(projection|consumer)\.list$/;

/** Answers a service's messages as the test says, over NATS and under the service's own identity. */
export class FakeService {
  /** What users' requests have led to: all but the lists. */
  readonly requests: { subject: string; request: Record<string, unknown> }[] = [];
  private readonly handlers = new Map<string, Handler>();
  /** What it says to be wrong with it. */
  conditions: Condition[] = [];
  /** How far its clock is ahead, in ms. */
  clockAheadMs = 0;
  private server?: RpcServer;

  constructor(
    readonly name: FakeName,
    private readonly natsConfig: Parameters<typeof connectNats>[0],
  ) {}

  /** From now on, in place of what was said before. */
  answers<M extends Message>(message: M, handler: (request: z.output<M['request']>) => ReplyOf<M> | Promise<ReplyOf<M>>): void {
    this.handlers.set(message.subject, handler as Handler);
  }

  reset(): void {
    this.handlers.clear();
    this.requests.length = 0;
    this.conditions = [];
    this.clockAheadMs = 0;
  }

  requestsTo({ subject }: Message): Record<string, unknown>[] {
    return this.requests.filter((entry) => entry.subject === subject).map(({ request }) => request);
  }

  async start(): Promise<void> {
    const connection = await connectNats(this.natsConfig, this.name);
    const server = new RpcServer(connection, this.name, 100);
    for (const message of messages[this.name]) server.addHandler(message.subject, (request: unknown) => this.answer(message, request));
    await new Promise<void>((resolve, reject) => void server.listen((error?: unknown) => (error ? reject(error as Error) : resolve())));
    connection.subscribe(conditionsSubject(this.name), {
      callback: (_, message) => {
        const at = new Date(Date.now() + this.clockAheadMs).toISOString();
        message.respond(JSON.stringify({ service: this.name, instance: 'fake/1', at, conditions: this.conditions }));
      },
    });
    await connection.flush();
    this.server = server;
    atEnd(() => connection.close());
  }

  /** Nobody answers until the next start. */
  async leave(): Promise<void> {
    await this.server?.close();
  }

  private async answer(message: Message, data: unknown): Promise<unknown> {
    if (!lists.test(message.subject)) this.requests.push({ subject: message.subject, request: data as Record<string, unknown> });
    try {
      const handler = this.handlers.get(message.subject);
      if (!handler) throw new Error(`the test does not say what ${message.subject} answers`);
      return await handler(message.request.parse(data) as never);
    } catch (error) {
      const { code, message: text, details } = error instanceof DomainError ? error : new DomainError('INTERNAL', String(error));
      return throwError(() => ({ code, message: text, details }));
    }
  }
}
