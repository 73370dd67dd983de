/**
 * How long it takes from the request for a sandbox to its first answer through the proxy, on a real node that has the image, and beside it the
 * floor of the same run: a bare pod with the same image, from its creation until it is ready. One at a time and by turns, each deleted again.
 *
 *   node bench/kubernetes-start/run.js [--pods 30] [--runtime statefulset] [--rounds 1] [--write] [--wait-for-quiet MINUTES]
 */
import { setTimeout as pause } from 'node:timers/promises';
import { sandboxImage, startCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { Client } from '../platform/client.js';
import { startCpuMeter } from '../platform/machine.js';
import { summary } from '../platform/percentiles.js';
import { meets, runRounds } from '../platform/rounds.js';
import { letIn, newUser, startStandalone } from '../platform/standalone.js';

const everyMs = 10;
const givenUpAfterMs = 60_000;
const pods = '/api/v1/namespaces/bare/pods';
/** Those of a sandbox that names none: how much CPU a program may have decides how soon it listens. */
const defaultResources = { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '400m', memory: '768Mi' } };

async function measure({ pods: count, runtime }) {
  const cluster = await startCluster({ node: true });
  const image = await sandboxImage();
  await cluster.loadImage(image);
  const { url, admin, stop } = await startStandalone({
    SANDLOT_RUNTIME: runtime,
    SANDLOT_KUBECONFIG: cluster.kubeconfigPath,
    SANDLOT_DEFAULT_IMAGE: image.name,
    SANDLOT_IMAGE_PULL_POLICY: 'Never',
    SANDLOT_STOP_GRACE_SECONDS: '1',
  });
  const { key } = await newUser(admin, 'bench');
  const api = new Client(url, key);
  await letIn(api);
  await cluster.kubectl('create', 'namespace', 'bare');
  await waitFor(() => cluster.request('GET', '/api/v1/namespaces/bare/serviceaccounts/default'));
  // Both have everything loaded that is loaded once, and the user has a namespace.
  await sandbox(api, 'warm-up');
  await barePod(cluster, image, 'warm-up');

  const times = { sandbox: [], barePod: [] };
  const meter = startCpuMeter({ ours: process.pid });
  for (let n = 0; n < Number(count); n += 1) {
    times.sandbox.push(await sandbox(api, `s-${n}`));
    times.barePod.push(await barePod(cluster, image, `p-${n}`));
  }
  const { othersCores } = meter();
  api.close();
  await stop();
  await cluster.stop();
  const [ours, floor] = [summary(times.sandbox), summary(times.barePod)];
  return { runtime, sandbox: ours, barePod: floor, ratio: +(ours.p50 / floor.p50).toFixed(3), times, othersCores };
}

async function sandbox(api, name) {
  const began = performance.now();
  await api.expect(202, 'POST', '/api/sandboxes', { name });
  const answers = async () => (await api.send('GET', `/proxy/${name}/health`).catch(() => ({ status: 0 }))).status === 200;
  const took = await since(began, answers, `${name} to answer`);
  await api.expect(204, 'DELETE', `/api/sandboxes/${name}`, undefined, { prefer: 'wait=30' });
  return took;
}

/** As it would be started without Sandlot: the same image, probe and resources, as restricted, its folders those of the node. */
async function barePod(cluster, image, name) {
  const began = performance.now();
  await cluster.request('POST', pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 1,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'sandbox',
          image: image.name,
          imagePullPolicy: 'Never',
          resources: defaultResources,
          readinessProbe: { tcpSocket: { port: 8888 }, periodSeconds: 1 },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
          volumeMounts: ['workspace', 'tmp'].map((folder) => ({ name: folder, mountPath: `/${folder}` })),
        },
      ],
      volumes: ['workspace', 'tmp'].map((folder) => ({ name: folder, emptyDir: {} })),
    },
  });
  const ready = async () => {
    const { status } = await cluster.request('GET', `${pods}/${name}`);
    return status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True');
  };
  const took = await since(began, ready, `the pod ${name} to be ready`);
  await cluster.request('DELETE', `${pods}/${name}`);
  await waitFor(async () => (await cluster.request('GET', pods)).items.length === 0, { within: 30_000, describe: `${name} to be gone` });
  return took;
}

async function since(began, reached, what) {
  while (!(await reached())) {
    if (performance.now() - began > givenUpAfterMs) throw new Error(`waited in vain for ${what}`);
    await pause(everyMs);
  }
  return performance.now() - began;
}

const row = (name, { count, p50, p90, max }) => `| ${name} | ${count} | ${p50} | ${p90} | ${max} |`;

await runRounds({
  folder: import.meta.dirname,
  title: 'Created to first answer on Kubernetes',
  method:
    'The standalone against a real API server with its controllers and one real node on the same machine, the image on the node and the user’s ' +
    'namespace there. A sandbox and a bare pod by turns, each deleted before the next. Both have the same resources and the same probe; a sandbox has a volume besides, which is made for it.',
  options: {
    pods: { type: 'string', default: '30' },
    runtime: { type: 'string', default: 'statefulset' },
    rounds: { type: 'string', default: '1' },
  },
  measure,
  by: ({ ratio }) => ratio,
  table: ({ runtime, sandbox: ours, barePod: floor, ratio }) => [
    `\`SANDLOT_RUNTIME=${runtime}\`. A sandbox takes ${meets(ratio, 1.25)} times as long as a bare pod.`,
    '',
    '| ms from creation | times | p50 | p90 | max |',
    '|---|---|---|---|---|',
    row('sandbox, to its first answer through the proxy', ours),
    row('bare pod, to Ready', floor),
  ],
});
