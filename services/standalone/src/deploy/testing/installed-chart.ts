import type { TestCluster } from '@sandlot/testbed';
import { helm, valuesFile } from './chart.js';
import { namespace } from './chart-cluster.js';

/** The chart in a cluster, as an operator deals with it: by helm, by kubectl and through the public port. */
export class InstalledChart {
  constructor(readonly cluster: TestCluster) {}

  /** In the namespace of the release. An error says what the cluster is doing. */
  helm(...args: string[]): Promise<string> {
    return this.withState(helm([...args, '--namespace', namespace], { KUBECONFIG: this.cluster.kubeconfigPath }));
  }

  /** `helm install` or `upgrade` until everything runs. */
  async put(verb: 'install' | 'upgrade', chart: string, values: object): Promise<void> {
    await this.helm(verb, 'sandlot', chart, '-f', await valuesFile(values), '--wait', '--timeout', '4m');
  }

  kubectl(...args: string[]): Promise<string> {
    return this.cluster.kubectl('-n', namespace, ...args);
  }

  async withState<T>(work: Promise<T>): Promise<T> {
    return work.catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await this.state()}`, { cause: error });
    });
  }

  private async state(): Promise<string> {
    const components = ['auth', 'provisioner', 'audit', 'gateway', 'proxy', 'setup', 'backup', 'nats', 'postgresql'];
    const parts = await Promise.all([
      this.cluster.kubectl('get', 'pods', '-A', '-o', 'wide'),
      this.cluster.kubectl('get', 'events', '-A', '-o', 'custom-columns=:.involvedObject.name,:.reason,:.message'),
      ...components.map((component) =>
        this.kubectl('logs', '-l', `app.kubernetes.io/component=${component}`, '--all-containers', '--tail=10').catch(String),
      ),
    ]);
    return parts.join('\n');
  }

  /** The address of a proxy's pod that a Service would lead to. */
  async readyProxy(): Promise<string> {
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3Dsandlot`;
    const { items } = (await this.cluster.request('GET', slices)) as {
      items: { endpoints?: { addresses: string[]; conditions: { ready?: boolean } }[] }[];
    };
    const ready = items.flatMap(({ endpoints }) => endpoints ?? []).find(({ conditions }) => conditions.ready);
    if (!ready) throw new Error('no proxy is ready');
    return ready.addresses[0]!;
  }

  adminKey(): Promise<string> {
    return this.secret('sandlot-admin-key', 'admin.key');
  }

  async secret(name: string, key: string): Promise<string> {
    const { data } = (await this.cluster.request('GET', `/api/v1/namespaces/${namespace}/secrets/${name}`)) as {
      data: Record<string, string>;
    };
    return Buffer.from(data[key]!, 'base64').toString();
  }

  /** Asks as the first administrator, or with another key; rejects unless the answer is one of success. */
  async ask(method: string, path: string, body?: object, key?: string): Promise<Record<string, unknown>> {
    const authorization = `Bearer ${key ?? (await this.adminKey())}`;
    const answer = await fetch(`http://${await this.readyProxy()}:8080${path}`, {
      method,
      headers: { authorization, prefer: 'wait=60', ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} was answered ${answer.status}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }
}
