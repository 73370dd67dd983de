import { EventEmitter } from 'node:events';
import { Health } from '@sandlot/service-kit';
import { waitFor } from '@sandlot/testing';
import type { FastifyReply } from 'fastify';
import { Streaming } from './streaming.js';

describe('a stream without an end', () => {
  const health = new Health();
  const connection = new EventEmitter();
  const lifetime = () => new Streaming(health).lifetimeOf({ raw: connection } as unknown as FastifyReply);

  it('lives until the client goes', () => {
    const signal = lifetime();
    expect(signal.aborted).toBe(false);
    connection.emit('close');
    expect(signal.aborted).toBe(true);
  });

  it('lives until the service drains', async () => {
    const signal = lifetime();
    health.drain();
    await waitFor(() => signal.aborted);
  });
});
