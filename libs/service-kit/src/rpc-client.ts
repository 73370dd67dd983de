import { headers, PermissionViolationError, RequestError, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { SpanKind } from '@opentelemetry/api';
import type { Message, ReplyOf, RequestOf } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { watchLink, type NatsLink } from './nats-link.js';
import { REQUEST_ID_HEADER, requestContext } from './request-context.js';
import { fromRpcError } from './rpc.js';
import { injectTrace, inSpan } from './tracing.js';

export interface CallOptions {
  /** How long the answer may take, in ms. Default 5,000. */
  readonly withinMs?: number;
  /** Stops waiting, with the signal's reason. The request itself may still take effect. */
  readonly signal?: AbortSignal;
}

interface Answer {
  readonly err?: unknown;
  readonly response?: unknown;
}

/** How long a call waits for a connection that is just being made anew, in ms, before it counts as away. */
const reconnectGraceMs = 1_000;

/** What headers may take of a message's largest size. */
const headroomBytes = 4 * 1024;

/**
 * Asks other services, in the wire format of Nest's NATS transport. Nest's own client cannot tell "nobody there" from "no answer yet",
 * which decides between UNAVAILABLE, after which a caller may try again, and OUTCOME_UNKNOWN.
 */
export class RpcClient {
  private readonly link: NatsLink;
  private requests = 0;

  constructor(private readonly connection: NatsConnection) {
    this.link = watchLink(connection);
  }

  /**
   * Throws the callee's DomainError; UNAVAILABLE when nobody can have got the request, or a query was not answered in time;
   * OUTCOME_UNKNOWN when a command was not answered in time; INTERNAL when the reply is not what its schema says.
   */
  async call<M extends Message>(message: M, request: RequestOf<M>, options: CallOptions = {}): Promise<ReplyOf<M>> {
    const { withinMs = 5_000, signal } = options;
    signal?.throwIfAborted();
    const span = `request ${message.subject}`;
    const answer = await abortable(
      inSpan(span, SpanKind.CLIENT, () => this.request(message, request, withinMs)),
      signal,
    );
    if (answer.err) throw fromRpcError(message.subject, answer.err);
    const reply = message.reply.safeParse(answer.response);
    if (!reply.success) throw new DomainError('INTERNAL', `the reply to ${message.subject} is not valid`, {}, { cause: reply.error });
    return reply.data as ReplyOf<M>;
  }

  private async request(message: Message, data: unknown, timeout: number): Promise<Answer> {
    const up = await this.link.up(Math.min(reconnectGraceMs, timeout));
    if (!up || this.connection.isClosed() || this.connection.isDraining()) throw new DomainError('UNAVAILABLE', 'NATS is not connected');
    const packet = JSON.stringify({ pattern: message.subject, data, id: String((this.requests += 1)) });
    const limitBytes = (this.connection.info?.max_payload ?? Infinity) - headroomBytes;
    if (Buffer.byteLength(packet) > limitBytes)
      throw new DomainError('BODY_TOO_LARGE', 'This does not fit into a message.', { limitBytes });
    try {
      const reply = await this.connection.request(message.subject, packet, { timeout, headers: outgoingHeaders() });
      return reply.json<Answer>();
    } catch (error) {
      throw notAnswered(message, data, error);
    }
  }
}

/** What makes the callee's work part of ours: the request's id and its trace. */
function outgoingHeaders(): MsgHdrs {
  const hdrs = headers();
  const { requestId } = requestContext();
  if (requestId) hdrs.set(REQUEST_ID_HEADER, requestId);
  injectTrace((name, value) => hdrs.set(name, value));
  return hdrs;
}

function notAnswered({ kind, subject }: Message, request: unknown, cause: unknown): DomainError {
  if (cause instanceof RequestError && cause.isNoResponders())
    return new DomainError('UNAVAILABLE', `no service answers ${subject} at the moment`, {}, { cause });
  if (cause instanceof RequestError && cause.cause instanceof PermissionViolationError)
    return new DomainError('INTERNAL', `this service may not ask ${subject}`, {}, { cause });
  if (kind === 'query') return new DomainError('UNAVAILABLE', `${subject} did not answer in time`, {}, { cause });
  const commandId = (request as { context?: { commandId?: string } } | undefined)?.context?.commandId;
  return new DomainError('OUTCOME_UNKNOWN', `${subject} did not answer in time`, commandId ? { commandId } : {}, { cause });
}

/** Waits for the work until the signal says otherwise, which makes it throw the signal's reason. The work itself goes on. */
function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
