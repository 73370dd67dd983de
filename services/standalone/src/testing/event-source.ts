import { request, type ClientRequest } from 'node:http';
import { waitFor } from '@sandlot/testing';
import type { Client } from './http-client.js';

export interface ReceivedEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string;
}

/** Follows Server-Sent Events until it is closed. */
export class EventSource {
  readonly events: ReceivedEvent[] = [];
  status = 0;
  ended = false;
  private text = '';
  private readonly outgoing: ClientRequest;

  constructor(client: Client, path: string, headers: Record<string, string> = {}) {
    const { hostname, port } = new URL(client.url);
    const authorization = `Bearer ${client.key}`;
    this.outgoing = request({ hostname, port, path, agent: false, headers: { authorization, accept: 'text/event-stream', ...headers } });
    this.outgoing
      .on('error', () => (this.ended = true))
      .on('response', (response) => {
        this.status = response.statusCode!;
        response.setEncoding('utf8').on('data', (chunk: string) => this.take(chunk));
        response.on('close', () => (this.ended = true)).on('error', () => undefined);
      });
    this.outgoing.end();
  }

  /** The first event that fits, once it has come. */
  async next(fits: (event: ReceivedEvent) => boolean, describe: string): Promise<ReceivedEvent> {
    return waitFor(() => this.events.find(fits), { describe });
  }

  close(): void {
    this.outgoing.destroy();
  }

  private take(chunk: string): void {
    this.text += chunk;
    for (let end = this.text.indexOf('\n\n'); end >= 0; end = this.text.indexOf('\n\n')) {
      const lines = this.text.slice(0, end).split('\n');
      this.text = this.text.slice(end + 2);
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field('data');
      if (data !== undefined) this.events.push({ id: field('id'), event: field('event'), data });
    }
  }
}
