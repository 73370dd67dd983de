/** What a client may publish and subscribe to: subjects with NATS wildcards. Denials win over allowances. */
export interface NatsPermissions {
  publish: { allow: string[]; deny?: string[] };
  subscribe: { allow: string[]; deny?: string[] };
  /** How many answers it may give to each request that it received, and for how long (Go duration). */
  allow_responses?: { max: number; expires: string };
}

export interface NatsUser {
  /** The public half of the user's nkey, `U...`. */
  nkey: string;
  permissions: NatsPermissions;
}

export interface NatsCluster {
  serverName: string;
  port: number;
  /** Cluster ports of all members on 127.0.0.1, this one's included. */
  memberPorts: number[];
}

const MB = 1024 * 1024;

/** JSON, which nats-server reads as well as its own format, so that nothing needs escaping of ours. */
export function natsConfig(options: {
  dataDir: string;
  port: number;
  users?: NatsUser[];
  cluster?: NatsCluster;
  monitorPort?: number;
  maxStoreBytes?: number;
  syncsEachWrite?: boolean;
}): string {
  const { dataDir, port, users, cluster, monitorPort, maxStoreBytes = Number.MAX_SAFE_INTEGER, syncsEachWrite = true } = options;
  return JSON.stringify(
    {
      host: '127.0.0.1',
      port: port === 0 ? -1 : port,
      ...(monitorPort !== undefined && { http: `127.0.0.1:${monitorPort === 0 ? -1 : monitorPort}` }),
      server_name: cluster?.serverName ?? 'sandlot',
      ports_file_dir: dataDir,
      max_payload: MB,
      jetstream: {
        store_dir: dataDir, // nats-server adds /jetstream
        // Without it a power cut loses what was acknowledged in the last two minutes.
        ...(syncsEachWrite && { sync_interval: 'always' }),
        max_memory_store: 256 * MB,
        // The default is three quarters of the disk that is free at this start. 0 and -1 mean that too.
        max_file_store: maxStoreBytes,
      },
      ...(users && { authorization: { users } }),
      ...(cluster && {
        cluster: {
          name: 'sandlot',
          listen: `127.0.0.1:${cluster.port}`,
          routes: cluster.memberPorts.map((member) => `nats-route://127.0.0.1:${member}`),
        },
      }),
    },
    null,
    2,
  );
}
