import { natsPermissions, natsServices } from '@sandlot/embedded';
import { publicKeyFile, type KeyGroup } from './keys.js';

export interface NatsMember {
  readonly serverName: string;
  readonly storeDir: string;
  /** Host names of all members, this one's included; one alone needs none. */
  readonly members?: readonly string[];
}

/** The configuration of a NATS server in a container: JSON, which nats-server reads as well as its own format. */
export function natsServerConfig({ serverName, storeDir, members = [] }: NatsMember, identities: KeyGroup): string {
  const users = natsServices.map((service) => ({ nkey: identities[publicKeyFile(service)], permissions: natsPermissions(service) }));
  const authorization = { user: 'route', password: identities['route-password'] };
  const cluster = {
    name: 'sandlot',
    listen: '0.0.0.0:6222',
    authorization,
    routes: members.map((host) => `nats-route://${authorization.user}:${authorization.password}@${host}:6222`),
  };
  const config = {
    server_name: serverName,
    listen: '0.0.0.0:4222',
    http: '0.0.0.0:8222',
    max_payload: 1024 * 1024,
    jetstream: { store_dir: storeDir, sync_interval: 'always', max_memory_store: 256 * 1024 * 1024 },
    authorization: { users },
    ...(members.length > 0 && { cluster }),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
