import { inboxPrefix, type NatsService } from '@sandlot/embedded';
import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A connection to the platform's NATS with the identity of one of its services: for causing what no caller can. */
export async function connectAs(service: NatsService, dataDir: string): Promise<NatsConnection> {
  const folder = join(dataDir, 'nats');
  const portsFile = (await readdir(folder)).find((name) => name.endsWith('.ports'))!;
  const { nats } = JSON.parse(await readFile(join(folder, portsFile), 'utf8')) as { nats: [string] };
  const seed = await readFile(join(dataDir, 'identities', `${service}.nk`));
  return connect({
    servers: nats[0],
    authenticator: nkeyAuthenticator(Buffer.from(seed.toString().trim())),
    inboxPrefix: inboxPrefix(service),
  });
}
