import { z } from 'zod';
import type { CommandContext, CommandId } from '@sandlot/kernel';
import { idPattern } from '@sandlot/kernel';

/** A request from one service to another, and its reply. A command may change something, a query may not. */
export interface Message<Request extends z.ZodType = z.ZodType, Reply extends z.ZodType = z.ZodType> {
  readonly kind: 'command' | 'query';
  /** `svc.<service>.<aggregate>.<verb>` */
  readonly subject: `svc.${string}.${string}.${string}`;
  readonly request: Request;
  readonly reply: Reply;
}

export function defineCommand<Request extends z.ZodType, Reply extends z.ZodType>(
  subject: Message['subject'],
  request: Request,
  reply: Reply,
): Message<Request, Reply> {
  return { kind: 'command', subject, request, reply };
}

export function defineQuery<Request extends z.ZodType, Reply extends z.ZodType>(
  subject: Message['subject'],
  request: Request,
  reply: Reply,
): Message<Request, Reply> {
  return { kind: 'query', subject, request, reply };
}

export type RequestOf<M extends Message> = z.input<M['request']>;
export type ReplyOf<M extends Message> = z.output<M['reply']>;

export const ActorSchema = z.object({
  type: z.enum(['user', 'admin', 'service']),
  id: z.string(),
  keyId: z.string().optional(),
  ip: z.string().optional(),
});

/** Who wants it and as part of what: goes with every command, and from there into every event. */
export const CommandContextSchema = z.object({
  commandId: z.string().regex(idPattern('cmd')) as unknown as z.ZodType<CommandId, string>,
  at: z.iso.datetime(),
  actor: ActorSchema,
  correlationId: z.string(),
  causationId: z.string().optional(),
  traceparent: z.string().optional(),
}) satisfies z.ZodType<CommandContext>;

/** Every reply to a command says where in the log it took effect: a query may wait for that position. */
export const Position = z.int().min(0);

/** What every query may ask: an answer that knows at least this position. Waits up to 2 s, then POSITION_NOT_REACHED. */
export const AtLeast = z.int().min(0).optional();
