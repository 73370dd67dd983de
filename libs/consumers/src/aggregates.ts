import type { NatsConnection } from '@nats-io/transport-node';
import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { allOf, DOMAIN_STREAM, refOf, type OwnedAggregate } from '@sandlot/contracts';

/**
 * The id of every aggregate of a kind that the log knows at the time of the call, for boot and for full passes. Deleted ones are among
 * them, and after a reconnect in the middle some come twice. Reads the headers of each aggregate's last event; holds a few hundred at once.
 */
export async function* idsOf(connection: NatsConnection, aggregate: OwnedAggregate): AsyncGenerator<string, void, void> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const { state } = await manager.streams.info(DOMAIN_STREAM);
  const consumer = await jetstream(connection).consumers.get(DOMAIN_STREAM, {
    filter_subjects: allOf(aggregate),
    deliver_policy: DeliverPolicy.LastPerSubject,
    headers_only: true,
  });
  if ((await consumer.info(true)).num_pending === 0) return;
  const messages = await consumer.consume({ max_messages: 500, expires: 5_000 });
  try {
    for await (const message of messages) {
      yield refOf(message.subject).id;
      // What is appended meanwhile comes too, and never ends on a busy log; it wakes who must know by itself.
      if (message.info.pending === 0 || message.seq >= state.last_seq) return;
    }
  } finally {
    messages.stop();
  }
}
