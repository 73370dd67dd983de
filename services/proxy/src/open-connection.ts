import type { Socket } from 'node:net';
import type { RequestTrail } from './record.js';
import type { Farewell } from './websocket-frames.js';

/** A WebSocket or tunnel that is open. */
export interface OpenConnection {
  readonly trail: RequestTrail;
  /** The client's. */
  readonly socket: Socket;
  /** Ends it within moments, telling both sides as far as there is a way to. */
  leave(farewell: Farewell, reason: string): void;
}
