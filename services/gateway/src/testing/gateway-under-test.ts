import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { natsIdentities, natsUsers, type NatsService } from '@sandlot/embedded';
import { ensureStreams } from '@sandlot/event-store';
import { newId, type KeyId, type UserId } from '@sandlot/kernel';
import { connectNats, IDENTITY_HEADER, logger, signIdentity, startService, type RunningService } from '@sandlot/service-kit';
import { atEnd, startTestNats, tempDir } from '@sandlot/testing';
import { gatewayService } from '../service.js';
import { FakeService } from './fake-service.js';

export const identityKey = 'an identity key for tests, thirty-two characters and more';

export interface Person {
  readonly userId: UserId;
  readonly username: string;
  readonly role: 'admin' | 'user';
  readonly keyId: KeyId;
}
const person = (username: string, role: Person['role']): Person => ({ userId: newId('usr'), username, role, keyId: newId('key') });

export const alice = person('alice', 'user');
export const bob = person('bob', 'user');
export const admin = person('root-admin', 'admin');

export interface Sending {
  as?: Person;
  headers?: Record<string, string>;
  /** Sent as JSON; a string as it is, with the content type application/json unless `headers` say otherwise. */
  body?: unknown;
  signal?: AbortSignal;
}

export interface Received {
  status: number;
  headers: Headers;
  text: string;
  /** Undefined when it is not JSON. */
  json: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look into answers of every shape
}

/** A gateway with a real NATS, under the services' own NATS permissions; the services behind it are fakes. */
export class GatewayUnderTest {
  private constructor(
    readonly service: RunningService,
    readonly auth: FakeService,
    readonly provisioner: FakeService,
    readonly audit: FakeService,
    readonly proxy: FakeService,
    readonly natsConfigOf: (name: NatsService) => Promise<{ SANDLOT_NATS_URL: string; SANDLOT_NATS_NKEY: string }>,
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<GatewayUnderTest> {
    logger.level = 'silent';
    const identities = await natsIdentities(join(await tempDir(), 'identities'));
    const nats = await startTestNats({ users: natsUsers(identities) });
    const configOf = async (name: NatsService) => ({
      SANDLOT_NATS_URL: nats.url,
      SANDLOT_NATS_NKEY: (await readFile(identities[name].seedFile, 'utf8')).trim(),
    });
    const migrator = await connectNats(await configOf('migrator'), 'migrator');
    await ensureStreams(migrator);
    await migrator.close();
    const fakes = await Promise.all(
      (['auth', 'provisioner', 'audit', 'proxy'] as const).map(async (name) => new FakeService(name, await configOf(name))),
    );
    // One after the other: on a busy machine, all handshakes at once outlast what NATS waits for one.
    for (const fake of fakes) await fake.start();
    const [auth, provisioner, audit, proxy] = fakes as [FakeService, FakeService, FakeService, FakeService];
    return new GatewayUnderTest(
      await startGateway({ ...(await configOf('gateway')), ...settings }),
      auth,
      provisioner,
      audit,
      proxy,
      configOf,
    );
  }

  get url(): string {
    return this.service.url!;
  }

  reset(): void {
    for (const fake of [this.auth, this.provisioner, this.audit, this.proxy]) fake.reset();
  }

  async send(method: string, path: string, sending: Sending = {}): Promise<Received> {
    const response = await this.open(method, path, sending);
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: parsed(text) };
  }

  /** Without waiting for the end of the answer. */
  open(method: string, path: string, { as, headers = {}, body, signal }: Sending = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      signal,
      redirect: 'manual',
      headers: {
        ...(as && { [IDENTITY_HEADER]: identityOf(as) }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  }
}

export async function startGateway(nats: Record<string, string>): Promise<RunningService> {
  const env = { ...nats, SANDLOT_IDENTITY_KEY: identityKey, SANDLOT_GATEWAY_PORT: '0', SANDLOT_METRICS_PORT: '0' };
  const service = await startService(gatewayService, env, { graceMs: 3_000 });
  atEnd(() => service.close());
  return service;
}

export function identityOf(person: Person, requestId = `req_${person.username}`): string {
  return signIdentity({ ...person, ip: '192.0.2.7', requestId, iat: Math.floor(Date.now() / 1000) }, identityKey);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
