import { platformImage, sandboxImage, startCluster, type TestCluster } from '@sandlot/testbed';
import { natsServerBinary, startTestPostgres } from '@sandlot/testing';
import { ensureBuilt } from '../../testing/build.js';
import { forward, provideClusterNetwork } from './cluster-network.js';

/** Where the chart is installed, and the Secret that its values name for PostgreSQL. */
export const namespace = 'sandlot';
export const databaseValues = { postgresql: { embedded: false }, keys: { existing: { postgresql: 'database' } } };

/**
 * A cluster with a node that has the chart's images, and the namespace to install it in. There is no image of PostgreSQL to be had from this
 * machine's files, so the platform gets one of the machine's own.
 * @param tags of the platform's image
 */
export async function chartCluster(...tags: string[]): Promise<TestCluster> {
  await ensureBuilt();
  const cluster = await startCluster({ node: true });
  const machine = await provideClusterNetwork(cluster);
  for (const tag of tags) await cluster.loadImage(await platformImage(`docker.io/sandlot/platform:${tag}`));
  await cluster.loadImage(await sandboxImage('docker.io/sandlot/sandbox:0.1.0'));
  await cluster.loadImage({
    name: 'docker.io/library/nats:2.15.2',
    entrypoint: ['/nats-server'],
    command: [],
    files: [
      { path: '/nats-server', from: await natsServerBinary() },
      { path: '/data', folder: true },
    ],
  });
  const { url } = await startTestPostgres();
  await forward(machine, 5432, Number(new URL(url).port));
  const owner = new URL(url);
  owner.host = `${machine}:5432`;
  await cluster.apply(
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'database', namespace }, stringData: { 'owner.url': owner.href } },
  );
  return cluster;
}
