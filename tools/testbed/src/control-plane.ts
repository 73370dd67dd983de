import { cp, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { freePort } from '@sandlot/embedded';
import { apiClient, type ApiAccess, type ApiClient } from './api-client.js';
import type { ControlPlaneBinaries } from './binaries.js';
import { certificateAuthority, type Authority } from './certificates.js';
import { writeKubeconfig } from './kubeconfig.js';
import { ClusterServer } from './server.js';

export interface ControlPlane {
  authority: Authority;
  access: ApiAccess;
  kubeconfigPath: string;
  client: ApiClient;
  etcd: ClusterServer;
  apiServer: ClusterServer;
  controllerManager: ClusterServer;
  scheduler: ClusterServer;
  /** A copy of everything that the cluster holds now. */
  backUp(): Promise<string>;
  /** Takes the cluster back to a copy, as an operator would: all parts are stopped, and start on the old data. */
  restore(copy: string): Promise<void>;
  kill(): Promise<void>;
}

const MOST_TRIES = 3;

/** @param network of Services; its first address is the API server's */
export async function startControlPlane(dir: string, binaries: ControlPlaneBinaries, network = '10.96.0.0/16'): Promise<ControlPlane> {
  const data = join(dir, 'etcd');
  // A socket file instead of a port that somebody else may take first. etcd takes the host of a Unix URL for the beginning of the path.
  const socket = `unix://${dir}/etcd.sock`;
  const etcd = await ClusterServer.start({
    name: 'etcd',
    dir,
    command: [
      binaries.etcd,
      `--data-dir=${data}`,
      `--listen-client-urls=${socket}`,
      `--advertise-client-urls=${socket}`,
      `--listen-peer-urls=unix://${dir}/peer.sock`,
      '--unsafe-no-fsync',
    ],
    ready: () => stat(join(dir, 'etcd.sock')),
  });
  const started = [etcd];
  try {
    const authority = certificateAuthority('testbed');
    const api = await startApiServer(dir, binaries, authority, socket, network);
    started.unshift(api.server);
    const kubeconfigPath = join(dir, 'admin.kubeconfig');
    await writeKubeconfig(kubeconfigPath, api.access.url, api.access.authority, api.access);
    const [controllerManager, scheduler] = await startControllers(dir, binaries, kubeconfigPath);
    started.unshift(controllerManager, scheduler);
    const plane = {
      authority,
      access: api.access,
      kubeconfigPath,
      client: api.client,
      etcd,
      apiServer: api.server,
      controllerManager,
      scheduler,
    };
    return {
      ...plane,
      async backUp() {
        const copy = join(dir, `backup-${Date.now()}-${Math.random().toString(36).slice(2)}`);
        etcd.freeze(); // what it has written is what a killed etcd would find
        try {
          await cp(data, copy, { recursive: true });
        } finally {
          etcd.thaw();
        }
        return copy;
      },
      async restore(copy) {
        await Promise.all([scheduler.kill(), controllerManager.kill(), api.server.kill(), etcd.kill()]);
        await rm(data, { recursive: true });
        await cp(copy, data, { recursive: true });
        for (const server of [etcd, api.server, controllerManager, scheduler]) await server.restart();
      },
      async kill() {
        api.client.close();
        await Promise.all(started.map((server) => server.kill()));
      },
    };
  } catch (error) {
    await Promise.all(started.map((server) => server.kill()));
    throw error;
  }
}

async function startApiServer(dir: string, binaries: ControlPlaneBinaries, authority: Authority, etcdUrl: string, network: string) {
  await writeCertificates(dir, authority, network);
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    const url = `https://127.0.0.1:${port}`;
    const access = { url, authority: authority.certificate, ...authority.issue({ commonName: 'admin', organization: 'system:masters' }) };
    const client = apiClient(access);
    try {
      const server = await ClusterServer.start({
        name: 'kube-apiserver',
        dir,
        command: [...binaries.apiServer, ...apiServerFlags(dir, port, etcdUrl, network)],
        ready: () => client.request('GET', '/readyz'),
      });
      return { server, client, access };
    } catch (error) {
      client.close();
      if (!(error as Error).message.includes('address already in use') || tries === MOST_TRIES) throw error;
    }
  }
}

async function writeCertificates(dir: string, authority: Authority, network: string): Promise<void> {
  const folder = join(dir, 'certificates');
  await mkdir(folder);
  const names = ['127.0.0.1', network.replace(/0\/\d+$/, '1'), 'localhost', 'kubernetes.default.svc'];
  const server = authority.issue({ commonName: 'kube-apiserver', names });
  const kubeletClient = authority.issue({ commonName: 'kube-apiserver', organization: 'system:masters' });
  const tokens = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const files = {
    'authority.crt': authority.certificate,
    'apiserver.crt': server.certificate,
    'apiserver.key': server.key,
    'kubelet-client.crt': kubeletClient.certificate,
    'kubelet-client.key': kubeletClient.key,
    'tokens.key': tokens.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'tokens.pub': tokens.publicKey.export({ type: 'spki', format: 'pem' }),
  };
  for (const [file, content] of Object.entries(files)) await writeFile(join(folder, file), content, { mode: 0o600 });
}

function apiServerFlags(dir: string, port: number, etcdUrl: string, network: string): string[] {
  const file = (name: string) => join(dir, 'certificates', name);
  return [
    `--etcd-servers=${etcdUrl}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--tls-cert-file=${file('apiserver.crt')}`,
    `--tls-private-key-file=${file('apiserver.key')}`,
    `--client-ca-file=${file('authority.crt')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${file('tokens.pub')}`,
    `--service-account-signing-key-file=${file('tokens.key')}`,
    `--service-cluster-ip-range=${network}`,
    '--authorization-mode=Node,RBAC',
    `--kubelet-client-certificate=${file('kubelet-client.crt')}`,
    `--kubelet-client-key=${file('kubelet-client.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--allow-privileged=true',
    '--endpoint-reconciler-type=none',
  ];
}

/** They are not waited for here: the cluster is ready when they have done something. */
async function startControllers(dir: string, { kube }: ControlPlaneBinaries, kubeconfigPath: string) {
  const certificates = join(dir, 'certificates');
  const shared = [`--kubeconfig=${kubeconfigPath}`, '--leader-elect=false', '--secure-port=0'];
  const controllerManager = await ClusterServer.start({
    name: 'kube-controller-manager',
    dir,
    command: [
      kube,
      'controller-manager',
      ...shared,
      `--service-account-private-key-file=${join(certificates, 'tokens.key')}`,
      `--root-ca-file=${join(certificates, 'authority.crt')}`,
      '--use-service-account-credentials',
    ],
  });
  const scheduler = await ClusterServer.start({ name: 'kube-scheduler', dir, command: [kube, 'scheduler', ...shared] });
  return [controllerManager, scheduler] as const;
}
