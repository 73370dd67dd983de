import { connect, headers, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node';
import { jetstreamManager } from '@nats-io/jetstream';
import { DOMAIN_STREAM } from '@sandlot/contracts';
import { atEnd, startNatsCluster, startTestNats, waitFor } from '@sandlot/testing';
import { ensureStreams } from './domain-stream.js';
import { aCommand, anAggregate, renamed, write, type StoreUnderTest } from './event-store.features.js';
import { JetStreamEventStore } from './jetstream-event-store.js';

/** A connection that comes back at once and is closed at the end of the test file. */
export async function connectTo(port: number, options: NodeConnectionOptions = {}): Promise<NatsConnection> {
  const connection = await connect({
    servers: `127.0.0.1:${port}`,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 20,
    ignoreClusterUpdates: true,
    ...options,
  });
  atEnd(() => connection.close());
  return connection;
}

/** Free servers with the streams made; the ports of all of them. */
export async function startLog(replicas: 1 | 3 = 1): Promise<number[]> {
  const servers = replicas === 1 ? [await startTestNats()] : await startNatsCluster(replicas);
  const ports = servers.map(({ port }) => port);
  await ensureStreams(await connectTo(ports[0]!), { replicas });
  return ports;
}

/** Two doors, at different servers where there are several. */
export async function jetStreamUnderTest({ replicas = 1 }: { replicas?: 1 | 3 } = {}): Promise<StoreUnderTest> {
  const ports = await startLog(replicas);
  const [one, two] = [await connectTo(ports[0]!), await connectTo(ports.at(-1)!)];
  const [store, another] = [await JetStreamEventStore.open(one), await JetStreamEventStore.open(two)];
  // A new stream's subjects take a moment to be known at every server of a cluster.
  for (const door of [store, another])
    await waitFor(() => door.append(aCommand(), [write(anAggregate(), renamed('warm'))]), { describe: 'the stream takes appends' });
  return {
    store,
    another,
    publishRaw: async (subject, fields, body) => {
      const hdrs = headers();
      for (const [name, value] of fields) if (value) hdrs.append(name, value);
      return one.request(subject, body, { headers: hdrs, timeout: 2_000 });
    },
  };
}

export async function lastPosition(connection: NatsConnection): Promise<number> {
  return (await (await jetstreamManager(connection, { checkAPI: false, timeout: 500 })).streams.info(DOMAIN_STREAM)).state.last_seq;
}
