import { jetstream } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { DOMAIN_STREAM } from '@sandlot/contracts';
import type { NatsService } from '@sandlot/embedded';
import { fromDelivery, type RecordedEvent } from '@sandlot/event-store';
import { connectNats } from '@sandlot/service-kit';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A connection of our own to the platform's NATS, as one of its services. A server that is not the platform's own knows no identities. */
export async function natsAs(service: NatsService, dataDir: string, externalUrl?: string): Promise<NatsConnection> {
  if (externalUrl) return connectNats({ SANDLOT_NATS_URL: externalUrl }, service);
  const seed = (await readFile(join(dataDir, 'identities', `${service}.nk`), 'utf8')).trim();
  return connectNats({ SANDLOT_NATS_URL: await natsUrl(dataDir), SANDLOT_NATS_NKEY: seed }, service);
}

async function natsUrl(dataDir: string): Promise<string> {
  const dir = join(dataDir, 'nats');
  const { pid } = JSON.parse(await readFile(join(dir, 'process.json'), 'utf8')) as { pid: number };
  const file = (await readdir(dir)).find((name) => name.endsWith(`_${pid}.ports`));
  if (!file) throw new Error(`nats-server ${pid} has not said where it listens`);
  return (JSON.parse(await readFile(join(dir, file), 'utf8')) as { nats: string[] }).nats[0]!;
}

/** Every event, in order. Throws at a position that is missing or is no event. */
export async function readLog(connection: NatsConnection): Promise<RecordedEvent[]> {
  const js = jetstream(connection);
  const { state } = await (await js.jetstreamManager(false)).streams.info(DOMAIN_STREAM);
  const events: RecordedEvent[] = [];
  if (state.last_seq === 0) return events;
  const messages = await (await js.consumers.get(DOMAIN_STREAM)).consume({ max_messages: 2_000 });
  for await (const message of messages) {
    const { seq } = message;
    if (seq !== events.length + 1) throw new Error(`position ${events.length + 1} is missing: the log goes on at ${seq}`);
    events.push(fromDelivery(message, seq));
    if (seq >= state.last_seq) break;
  }
  messages.stop();
  return events;
}

/** What stands in a bucket. */
export async function readBucket(connection: NatsConnection, name: string): Promise<Map<string, Record<string, unknown>>> {
  const bucket = await new Kvm(connection).open(name);
  const records = new Map<string, Record<string, unknown>>();
  for await (const key of await bucket.keys()) {
    const entry = await bucket.get(key);
    if (entry?.operation === 'PUT') records.set(key, entry.json());
  }
  return records;
}
