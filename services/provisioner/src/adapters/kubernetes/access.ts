import { readFile } from 'node:fs/promises';
import type { Agent as HttpAgent } from 'node:http';
import { dirname, isAbsolute, join } from 'node:path';
import type { AgentOptions } from 'node:https';
import { parse } from 'yaml';
import { z } from 'zod';

/** Where the API server is, and how to be let in. */
export interface Access {
  readonly server: URL;
  /** The newest credentials: tokens and certificates are replaced while we run. Asked before requests, so answered from memory for a while. */
  credentials(): Promise<Credentials>;
}

export interface Credentials {
  readonly headers: Record<string, string>;
  readonly tls: Pick<AgentOptions, 'ca' | 'cert' | 'key' | 'rejectUnauthorized' | 'servername' | 'passphrase' | 'pfx'>;
  /** Where something else than a plain connection is needed, like a proxy. */
  readonly agent?: HttpAgent;
}

const Kubeconfig = z.object({
  'current-context': z.string().min(1),
  contexts: z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string().optional() }) })),
  clusters: z.array(
    z.object({
      name: z.string(),
      cluster: z.object({
        server: z.url(),
        'certificate-authority': z.string().optional(),
        'certificate-authority-data': z.string().optional(),
        'insecure-skip-tls-verify': z.boolean().optional(),
        'tls-server-name': z.string().optional(),
        'proxy-url': z.string().optional(),
      }),
    }),
  ),
  users: z.array(z.object({ name: z.string(), user: z.looseObject({}).nullish() })).nullish(),
});

const PlainUser = z.strictObject({
  'client-certificate': z.string().optional(),
  'client-certificate-data': z.string().optional(),
  'client-key': z.string().optional(),
  'client-key-data': z.string().optional(),
  token: z.string().optional(),
  tokenFile: z.string().optional(),
});

/** client-go reads them anew as often; the kubelet replaces a token long before it ends. */
const credentialsForMs = 60_000;
const loopback = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/;

/** Checked once: who has no credentials is told at the start. Without a kubeconfig, as the pod's own service account. */
export async function accessTo(kubeconfig: string | undefined): Promise<Access> {
  const access = kubeconfig === undefined ? accessInCluster() : await accessByKubeconfig(kubeconfig);
  await access.credentials().catch((cause: unknown) => {
    const hint = kubeconfig === undefined ? 'this is no pod of a cluster: set SANDLOT_KUBECONFIG' : 'see SANDLOT_KUBECONFIG';
    throw new Error(`there are no credentials for the Kubernetes API; ${hint}`, { cause });
  });
  return access;
}

/**
 * Access by the kubeconfig's current context.
 * Certificates and tokens are read here; only what needs more (exec plugins, OIDC, a proxy) loads the whole of `@kubernetes/client-node`,
 * which costs 80 MB of memory.
 */
export async function accessByKubeconfig(file: string): Promise<Access> {
  const parsed = Kubeconfig.safeParse(parse(await readFile(file, 'utf8').catch(unreadable(file))));
  if (!parsed.success) throw new Error(`${file} is not a kubeconfig that can be used: ${z.prettifyError(parsed.error)}`);
  const { contexts, clusters, users } = parsed.data;
  const name = parsed.data['current-context'];
  const context = contexts.find((each) => each.name === name)?.context;
  const cluster = clusters.find((each) => each.name === context?.cluster)?.cluster;
  if (!cluster) throw new Error(`${file}: the current context ${name} names no cluster that the file has`);
  const server = new URL(cluster.server);
  if (server.protocol === 'http:' && !loopback.test(server.hostname))
    throw new Error(`${file}: ${cluster.server} is not https; credentials go over plain connections to this machine only`);

  const user = PlainUser.safeParse(users?.find((each) => each.name === context?.user)?.user ?? {});
  if (!user.success || cluster['proxy-url']) return accessByClientLibrary(file, server);
  const at = (path: string) => (isAbsolute(path) ? path : join(dirname(file), path));
  const bytes = async (data: string | undefined, path: string | undefined) =>
    data !== undefined ? Buffer.from(data, 'base64') : path !== undefined ? readFile(at(path)).catch(unreadable(at(path))) : undefined;
  const plain = user.data;
  return {
    server,
    credentials: remembered(async (): Promise<Credentials> => {
      const token = plain.tokenFile
        ? (await readFile(at(plain.tokenFile), 'utf8').catch(unreadable(at(plain.tokenFile)))).trim()
        : plain.token;
      const ca = await bytes(cluster['certificate-authority-data'], cluster['certificate-authority']);
      const cert = await bytes(plain['client-certificate-data'], plain['client-certificate']);
      const key = await bytes(plain['client-key-data'], plain['client-key']);
      return {
        headers: token ? { authorization: `Bearer ${token}` } : {},
        tls: {
          ...(ca && { ca }),
          ...(cert && { cert }),
          ...(key && { key }),
          ...(cluster['insecure-skip-tls-verify'] && { rejectUnauthorized: false }),
          ...(cluster['tls-server-name'] && { servername: cluster['tls-server-name'] }),
        },
      };
    }),
  };
}

/** Access as the kubelet gives it to every pod that mounts a service account's token. */
export function accessInCluster({
  server = 'https://kubernetes.default.svc',
  folder = '/var/run/secrets/kubernetes.io/serviceaccount',
}: { server?: string; folder?: string } = {}): Access {
  const read = (name: string) => readFile(join(folder, name), 'utf8').catch(unreadable(join(folder, name)));
  return {
    server: new URL(server),
    credentials: remembered(async () => ({
      headers: { authorization: `Bearer ${(await read('token')).trim()}` },
      tls: { ca: await read('ca.crt') },
    })),
  };
}

async function accessByClientLibrary(file: string, server: URL): Promise<Access> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  config.loadFromFile(file);
  return {
    server,
    credentials: remembered(async (): Promise<Credentials> => {
      const options: Record<string, unknown> & { headers?: Record<string, string> } = {};
      await config.applyToHTTPSOptions(options as Parameters<typeof config.applyToHTTPSOptions>[0]);
      const { headers = {}, ca, cert, key, rejectUnauthorized, servername, pfx, passphrase, auth, agent } = options;
      const basic: Record<string, string> =
        typeof auth === 'string' ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
      const tls = { ca, cert, key, rejectUnauthorized, servername, pfx, passphrase };
      return {
        headers: { ...headers, ...basic },
        tls: Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined)),
        ...(config.getCurrentCluster()?.proxyUrl && { agent: agent as HttpAgent }),
      };
    }),
  };
}

function remembered(read: () => Promise<Credentials>): () => Promise<Credentials> {
  let held: { until: number; credentials: Promise<Credentials> } | undefined;
  return () => {
    const now = performance.now();
    if (!held || now >= held.until) {
      const credentials = read();
      held = { until: now + credentialsForMs, credentials };
      credentials.catch(() => (held = undefined));
    }
    return held.credentials;
  };
}

const unreadable = (path: string) => (cause: unknown) => {
  throw new Error(`cannot read ${path}`, { cause });
};
