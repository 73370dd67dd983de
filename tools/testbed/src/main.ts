/* A cluster to try things on by hand: `make cluster`. Runs until Ctrl-C; the kubeconfig is copied to the file that is named. `--agent-sandbox` adds that. */
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { atEnd, cleanUp } from '@sandlot/testing';
import { startAgentSandbox } from './agent-sandbox.js';
import { controlPlaneBinaries } from './binaries.js';
import { startCluster } from './cluster.js';
import { whyNoNode } from './node-requirements.js';
import { sandboxImage } from './sandbox-image.js';

let ready = false;

async function main([kubeconfigFile, ...flags]: string[]): Promise<void> {
  const reason = whyNoNode();
  if (reason) console.log(`Without a node, so pods stay pending: ${reason}.`);
  const begin = performance.now();
  const cluster = await startCluster({ node: !reason, volumes: true });
  const image = reason ? undefined : await sandboxImage();
  if (image) await cluster.loadImage(image);
  if (flags.includes('--agent-sandbox')) await startAgentSandbox(cluster);
  const kubeconfig = resolve(kubeconfigFile ?? cluster.kubeconfigPath);
  if (kubeconfigFile) {
    await mkdir(dirname(kubeconfig), { recursive: true });
    await copyFile(cluster.kubeconfigPath, kubeconfig);
    atEnd(() => rm(kubeconfig, { force: true }));
  }
  ready = true;
  const { kube } = await controlPlaneBinaries();
  console.log(`Kubernetes is ready at ${cluster.url} after ${((performance.now() - begin) / 1000).toFixed(1)} s

  kubeconfig  ${kubeconfig}${image ? `\n  image       ${image.name}, for sandboxes` : ''}
  kubectl     ${kube} kubectl --kubeconfig ${kubeconfig} get namespaces
  stop        Ctrl-C, which removes all of it
`);
}

/** Keeps the process: all else in it has children that it does not wait for. */
setInterval(() => undefined, 2 ** 30);
let ending: Promise<void> | undefined;
const started = main(process.argv.slice(2));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => (ending ??= end()));
await started.catch((error: Error) => {
  console.error(error.message);
  process.exit(1);
});

/** Half started, it is left to the watchdogs and the janitor, which clean up after a process that is gone. */
async function end(): Promise<void> {
  if (!ready) process.exit(0);
  await cleanUp();
  process.exit(0);
}
