import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import type { TestCluster } from '@sandlot/testbed';
import { atEnd } from '@sandlot/testing';

/*
 * What the testbed's node lacks and an installation needs: the API server at the first address of the network of Services, and the cluster's DNS
 * at the tenth, where pods look for both. They are addresses of the node's bridge while the test file runs. Names of Services lead to the pods
 * behind them, at the pods' own ports.
 */

/** @returns ends it, before the cluster's own end */
export async function provideClusterNetwork(cluster: TestCluster): Promise<() => void> {
  const machine = await machineAddress(cluster);
  const [bridge] = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some(({ address }) => address === machine))!;
  const { spec } = (await cluster.request('GET', '/api/v1/namespaces/default/services/kubernetes')) as { spec: { clusterIP: string } };
  const [api, dns] = [spec.clusterIP, `${spec.clusterIP}0`]; // .1 and .10
  for (const address of [api, dns]) await promisify(execFile)('ip', ['address', 'add', `${address}/32`, 'dev', bridge]);
  const ends = [await forward(api, 443, Number(new URL(cluster.url).port)), await answerNames(cluster, api, dns)];
  return () => ends.forEach((end) => end());
}

/** As pods see it. */
export async function machineAddress(cluster: TestCluster): Promise<string> {
  const { items } = (await cluster.request('GET', '/api/v1/nodes')) as {
    items: { status: { addresses: { type: string; address: string }[] } }[];
  };
  return items[0]!.status.addresses.find(({ type }) => type === 'InternalIP')!.address;
}

/** To a port of 127.0.0.1. @returns takes no further connections */
export async function forward(host: string, port: number, to: number): Promise<() => void> {
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  server.listen(port, host);
  await once(server, 'listening');
  const end = () => void server.close();
  atEnd(end);
  return end;
}

async function answerNames(cluster: TestCluster, api: string, dns: string): Promise<() => void> {
  const socket = createSocket('udp4');
  socket.on('message', (query, { address, port }) => {
    const { name, type, end } = question(query);
    const found = type === 1 ? addressesOf(cluster, name, api) : addressesOf(cluster, name, api).then((known) => known && []);
    void found.catch(() => undefined).then((addresses) => socket.send(answer(query, end, addresses), port, address));
  });
  socket.bind(53, dns);
  await once(socket, 'listening');
  let ended = false;
  const end = () => {
    if (!ended) socket.close();
    ended = true;
  };
  atEnd(end);
  return end;
}

/** Undefined when there is no such name. */
async function addressesOf(cluster: TestCluster, name: string, api: string): Promise<string[] | undefined> {
  const [, host, service, namespace] = /^(?:([^.]+)\.)?([^.]+)\.([^.]+)\.svc\.cluster\.local$/.exec(name) ?? [];
  if (!service || !namespace) return undefined;
  if (service === 'kubernetes' && namespace === 'default') return [api];
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D${service}`;
  const { items } = (await cluster.request('GET', path)) as {
    items: { endpoints?: { addresses: string[]; hostname?: string; conditions: { ready?: boolean } }[] }[];
  };
  const endpoints = items
    .flatMap((slice) => slice.endpoints ?? [])
    .filter((one) => one.conditions.ready && (!host || one.hostname === host));
  return endpoints.length > 0 ? endpoints.flatMap(({ addresses }) => addresses) : undefined;
}

function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function answer(query: Buffer, end: number, addresses: readonly string[] | undefined): Buffer {
  const head = Buffer.from(query.subarray(0, end));
  head.writeUInt16BE(addresses ? 0x8580 : 0x8583, 2); // an answer with authority; the second says that there is no such name
  head.writeUInt16BE(addresses?.length ?? 0, 6);
  head.writeUInt32BE(0, 8);
  const records = (addresses ?? []).map((address) =>
    Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, ...address.split('.').map(Number)]),
  );
  return Buffer.concat([head, ...records]);
}
