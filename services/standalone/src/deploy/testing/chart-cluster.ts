import { platformImage, postgresImage, sandboxImage, startCluster, type TestCluster } from '@sandlot/testbed';
import { natsServerBinary, startTestPostgres } from '@sandlot/testing';
import { ensureBuilt, repository } from '../../testing/build.js';
import { forward, machineAddress, provideClusterNetwork } from './cluster-network.js';

/** Where the chart is installed. */
export const namespace = 'sandlot';

/**
 * A cluster with a node that has the chart's images, and the namespace to install it in.
 * @param platforms checkouts whose programs are the platform's image, by its tag
 */
export async function chartCluster(platforms: Readonly<Record<string, string>> = { '0.1.0': repository }): Promise<TestCluster> {
  await ensureBuilt();
  const cluster = await startCluster({ node: true });
  const endNetwork = await provideClusterNetwork(cluster);
  for (const [tag, checkout] of Object.entries(platforms))
    await cluster.loadImage(await platformImage(`docker.io/sandlot/platform:${tag}`, checkout));
  await cluster.loadImage(await sandboxImage('docker.io/sandlot/sandbox:0.1.0'));
  await cluster.loadImage(await postgresImage('docker.io/library/postgres:18'));
  await cluster.loadImage({
    name: 'docker.io/library/nats:2.15.2',
    entrypoint: ['/nats-server'],
    command: [],
    files: [
      { path: '/nats-server', from: await natsServerBinary() },
      { path: '/data', folder: true },
    ],
  });
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  });
  const stop = async () => {
    endNetwork();
    await cluster.stop();
  };
  return { ...cluster, stop };
}

/** A PostgreSQL outside the cluster, on this machine. Answers the values that have the chart use it. */
export async function externalDatabase(cluster: TestCluster): Promise<object> {
  const owner = new URL((await startTestPostgres()).url);
  const machine = await machineAddress(cluster);
  await forward(machine, 5432, Number(owner.port));
  owner.host = `${machine}:5432`;
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'database', namespace },
    stringData: { 'owner.url': owner.href },
  });
  return { postgresql: { embedded: false }, keys: { existing: { postgresql: 'database' } } };
}
