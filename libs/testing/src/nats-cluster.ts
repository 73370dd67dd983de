import { freePort, type NatsServer } from '@sandlot/embedded';
import { startTestNats } from './servers.js';
import { waitFor } from './wait-for.js';

interface JetStreamState {
  meta_cluster?: { leader?: string; cluster_size: number; replicas?: { current: boolean; offline?: boolean }[] };
}

/** As many nats-servers that know each other, for streams with replicas; returns when a leader has all others with it. */
export async function startNatsCluster(size = 3): Promise<NatsServer[]> {
  const memberPorts = await Promise.all(Array.from({ length: size }, () => freePort()));
  const members = await Promise.all(
    memberPorts.map((port, i) => startTestNats({ monitor: true, cluster: { serverName: `n${i + 1}`, port, memberPorts } })),
  );
  await waitFor(
    () => Promise.all(members.map(jetStreamState)),
    { within: 30_000, describe: `a leader of ${size} nats-servers with all of them`, every: 100 },
    (states) =>
      states.some(
        ({ meta_cluster: meta }) =>
          meta?.leader && meta.replicas?.filter((replica) => replica.current && !replica.offline).length === size - 1,
      ),
  );
  return members;
}

async function jetStreamState(server: NatsServer): Promise<JetStreamState> {
  const response = await fetch(`${server.monitorUrl}/jsz`);
  return (await response.json()) as JetStreamState;
}
