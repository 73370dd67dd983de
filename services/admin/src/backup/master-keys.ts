import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { SUBJECT_KEYS_BUCKET } from '@sandlot/contracts';
import { z } from 'zod';

const Wrapped = z.object({ master: z.string() });

/** How many users' data keys are wrapped under each master key now, by its id. */
export async function dataKeysByMaster(connection: NatsConnection): Promise<Map<string, number>> {
  const js = jetstream(connection);
  const name = `KV_${SUBJECT_KEYS_BUCKET}`;
  const { state } = await (await js.jetstreamManager(false)).streams.info(name);
  const held = new Map<string, number>();
  if (state.messages === 0) return held;
  const messages = await (await js.consumers.get(name)).consume({ max_messages: 10_000 });
  for await (const message of messages) {
    const wrapped = message.data.length > 0 ? Wrapped.safeParse(JSON.parse(message.string())) : undefined;
    if (wrapped?.success) held.set(wrapped.data.master, (held.get(wrapped.data.master) ?? 0) + 1);
    if (message.info.pending === 0) break;
  }
  messages.stop();
  return held;
}

/** The ids of the master keys without which some data key cannot be unwrapped. */
export async function masterKeysOf(connection: NatsConnection): Promise<string[]> {
  return [...(await dataKeysByMaster(connection)).keys()].sort();
}
