import { Readable } from 'node:stream';
import { metrics } from '@opentelemetry/api';
import { Injectable } from '@nestjs/common';
import { Health } from '@sandlot/service-kit';
import type { FastifyReply } from 'fastify';

/** How often a stream looks whether the service is about to stop, in ms. */
const lookEveryMs = 200;

/** Answers that are longer than memory, or have no end. */
@Injectable()
export class Streaming {
  private readonly open = metrics.getMeter('@sandlot/gateway').createUpDownCounter('sandlot_event_stream_clients', {
    description: 'Clients that follow events live',
  });

  constructor(private readonly health: Health) {
    this.open.add(0, { transport: 'sse' });
  }

  /** Aborted when the client is gone. */
  clientOf(reply: FastifyReply): AbortSignal {
    const client = new AbortController();
    reply.raw.once('close', () => client.abort());
    return client.signal;
  }

  /** Aborted when the client is gone or the service drains: a stream without an end must not hold up the stop. */
  lifetimeOf(reply: FastifyReply): AbortSignal {
    const lifetime = new AbortController();
    this.open.add(1, { transport: 'sse' });
    const look = setInterval(() => this.health.draining && lifetime.abort(), lookEveryMs);
    reply.raw.once('close', () => lifetime.abort());
    lifetime.signal.addEventListener('abort', () => {
      clearInterval(look);
      this.open.add(-1, { transport: 'sse' });
    });
    return lifetime.signal;
  }

  /** With the back-pressure of the connection. A failure after the first byte breaks the connection, so that half never looks whole. */
  send(reply: FastifyReply, contentType: string, chunks: AsyncGenerator<string>): void {
    void reply.header('cache-control', 'no-store').header('x-accel-buffering', 'no').type(contentType);
    void reply.send(Readable.from(chunks, { highWaterMark: 1 }));
  }
}
