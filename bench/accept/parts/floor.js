/** What cannot be less: a bare Fastify that stores one event per request, on a NATS with the platform's settings. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { cleanUp, startTestNats } from '@sandlot/testing';
import { ensureStreams } from '@sandlot/event-store';
import Fastify from 'fastify';

const nats = await startTestNats();
const connection = await connect({ servers: nats.url });
await ensureStreams(connection);
await jetstreamManager(connection);
const stream = jetstream(connection);
const app = Fastify();
let events = 0;
app.post('/api/v1/sandboxes', async ({ body }, reply) => {
  const subject = `sandlot.bench.sandbox.${(events += 1)}`;
  const { seq } = await stream.publish(subject, JSON.stringify({ ...body, padding: 'x'.repeat(250) }), {
    expect: { lastSubjectSequence: 0 },
  });
  return reply.status(202).send({ position: seq });
});
const url = await app.listen({ port: 0, host: '127.0.0.1' });

const stop = async () => {
  await app.close();
  await connection.close();
  await cleanUp();
  process.exit(0);
};
process.once('disconnect', () => void stop());
process.once('message', () => void stop());
process.once('SIGINT', () => void stop());
process.send({ url });
