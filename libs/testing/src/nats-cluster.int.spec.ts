import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startNatsCluster, waitFor } from './index.js';

it('a cluster of three keeps taking what is published when one of them is killed', async () => {
  const members = await startNatsCluster(3);
  const nc = await connect({ servers: members.map(({ url }) => url), maxReconnectAttempts: -1, reconnectTimeWait: 50, timeout: 1000 });
  const manager = await jetstreamManager(nc, { timeout: 1000 });
  await manager.streams.add({ name: 'S', subjects: ['s'], num_replicas: 3 });
  const js = jetstream(nc, { timeout: 1000 });
  await js.publish('s', 'with three');
  await members[0]?.kill();
  await waitFor(() => js.publish('s', 'with two'), { within: 20_000, describe: 'an acknowledgement by the two that are left' });
  await members[0]?.restart();
  const current = (info: Awaited<ReturnType<typeof manager.streams.info>>) =>
    info.cluster?.replicas?.every((replica) => replica.current) ?? false;
  await waitFor(() => manager.streams.info('S'), { within: 20_000, describe: 'the third has caught up' }, current);
  await nc.close();
}, 60_000);
