import type { Actor } from './actor.js';
import type { CommandId } from './ids.js';

/** What comes with every command: who wants it, when, as part of what. A command that is repeated carries the same id. */
export interface CommandContext {
  readonly commandId: CommandId;
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string;
  readonly actor: Actor;
  /** Ties together all that one request brought about; the request's id where there is one. */
  readonly correlationId: string;
  /** The id of the event or command that led to this one. */
  readonly causationId?: string;
  /** W3C trace context. */
  readonly traceparent?: string;
}
