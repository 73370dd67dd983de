import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, nkeyAuthenticator, RequestError, type NatsConnection, type QueuedIterator } from '@nats-io/transport-node';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer } from './nats-binary.js';
import { natsIdentities, natsUsers, type NatsIdentity } from './nats-identities.js';
import { inboxPrefix, natsNeeds, natsServices, type NatsService } from './nats-permissions.js';
import { startNats, type NatsServer } from './nats-server.js';

const streams = [
  { name: 'DOMAIN', subjects: ['sandlot.*.*.*'], allow_direct: true, allow_atomic: true, deny_delete: true, deny_purge: true },
  { name: 'ACCESS', subjects: ['access.>'], allow_direct: true },
  { name: 'DEAD', subjects: ['dead.>'], allow_direct: true },
];
const buckets = ['keys', 'routes', 'subject-keys', 'idempotency', 'operations'];
const others = (service: NatsService) => natsServices.filter((other) => other !== service);

describe('the NATS identity of', () => {
  let dir: string;
  let server: NatsServer;
  let identities: Record<NatsService, NatsIdentity>;
  const connections = {} as Record<NatsService, NatsConnection>;
  const js = {} as Record<NatsService, JetStreamClient>;
  const managers = {} as Record<NatsService, JetStreamManager>;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sandlot-nats-'));
    identities = await natsIdentities(join(dir, 'identities'));
    server = await startNats({ binary: await findNatsServer(), dataDir: join(dir, 'nats'), users: natsUsers(identities) });
    for (const service of natsServices) {
      connections[service] = await connect({
        servers: server.url,
        authenticator: nkeyAuthenticator(await readFile(identities[service].seedFile)),
        inboxPrefix: inboxPrefix(service),
        timeout: 2000,
      });
      js[service] = jetstream(connections[service], { timeout: 2000 });
      managers[service] = await jetstreamManager(connections[service], { checkAPI: false, timeout: 2000 });
    }
    for (const stream of streams) await managers.migrator.streams.add(stream);
    for (const bucket of buckets) await new Kvm(js.migrator).create(bucket, { history: 1, allow_direct: true } as object);
  }, 60_000);

  afterAll(async () => {
    await Promise.all(Object.values(connections).map((connection) => connection.close()));
    await server.stop();
    await rm(dir, { recursive: true });
  });

  const open = (service: NatsService, bucket: string) => new Kvm(js[service]).open(bucket);

  /** A refusal comes beside the stream of messages; the flush that follows it is answered later than it. */
  async function refused(service: NatsService, subject: string, body = '{}'): Promise<boolean> {
    const connection = connections[service];
    const seen: string[] = [];
    const status = connection.status() as QueuedIterator<{ type: string; error?: Error }>;
    const reading = (async () => {
      for await (const event of status) if (event.type === 'error') seen.push(String(event.error?.message));
    })();
    connection.publish(subject, body, { reply: `${inboxPrefix(service)}.nobody` });
    await connection.flush();
    await connection.flush();
    status.stop();
    await reading;
    return seen.some((message) => message.includes(`Publish to "${subject}"`));
  }

  async function allowed(service: NatsService, subjects: string[]): Promise<string[]> {
    const passed: string[] = [];
    for (const subject of subjects) if (!(await refused(service, subject))) passed.push(subject);
    return passed;
  }

  describe.each([...natsServices])('%s', (service) => {
    const has = natsNeeds[service];
    const theirDurables = others(service).flatMap((other) => natsNeeds[other].durables ?? []);

    it('may not write what others write', async () => {
      const subjects = others(service).flatMap((other) => [
        ...(natsNeeds[other].publishes ?? []).map((subject) => subject.replace('>', 'user.usr_1')),
        ...Object.entries(natsNeeds[other].buckets ?? {}).flatMap(([bucket, use]) => (use === 'writes' ? [`$KV.${bucket}.k`] : [])),
        ...(natsNeeds[other].durables ?? []).map((durable) => `dead.${durable}`),
      ]);
      expect(subjects.length).toBeGreaterThan(5);
      expect(await allowed(service, subjects)).toEqual([]);
    });

    it('may not purge or move anything, nor make, change, copy or replace a stream unless that is what it is for', async () => {
      const all = [...streams.map(({ name }) => name), ...buckets.map((bucket) => `KV_${bucket}`)];
      const verbs = (stream: string) => [
        'PURGE',
        'MSG.DELETE',
        'LEADER.STEPDOWN',
        'PEER.REMOVE',
        ...(has.defines ? [] : ['CREATE', 'UPDATE']),
        ...(has.restores ? [] : ['DELETE', 'RESTORE']),
        ...(has.snapshots?.includes(stream) ? [] : ['SNAPSHOT']),
      ];
      const subjects = [
        ...all.flatMap((stream) => verbs(stream).map((verb) => `$JS.API.STREAM.${verb}.${stream}`)),
        '$JS.API.STREAM.CREATE.OTHER',
        '$JS.API.ACCOUNT.PURGE.$G',
      ];
      expect(await allowed(service, subjects)).toEqual([]);
    });

    it('may not take from, change or acknowledge a consumer of another service', async () => {
      const subjects = theirDurables.flatMap((durable) => [
        ...['DELETE', 'MSG.NEXT', 'PAUSE', 'RESET', 'UNPIN', 'CREATE', 'DURABLE.CREATE'].map(
          (verb) => `$JS.API.CONSUMER.${verb}.DOMAIN.${durable}`,
        ),
        `$JS.API.CONSUMER.CREATE.DOMAIN.${durable}.sandlot.auth.>`,
        `$JS.ACK.DOMAIN.${durable}.1.1.1.1.1`,
        `$JS.ACK._.hash.DOMAIN.${durable}.1.1.1.1.1`,
      ]);
      expect(await allowed(service, subjects)).toEqual([]);
    });

    it('may not read what it does not need', async () => {
      const readable = [...(has.reads ?? []), ...Object.keys(has.buckets ?? {}).map((bucket) => `KV_${bucket}`)];
      const hidden = [...streams.map(({ name }) => name), ...buckets.map((bucket) => `KV_${bucket}`)].filter(
        (stream) => !readable.includes(stream),
      );
      const verbs = ['STREAM.MSG.GET', 'DIRECT.GET', 'CONSUMER.CREATE'];
      const subjects = hidden.flatMap((stream) => [
        ...verbs.map((verb) => `$JS.API.${verb}.${stream}`),
        `$JS.API.CONSUMER.CREATE.${stream}.x.y`,
        `$JS.API.DIRECT.GET.${stream}.x`,
      ]);
      expect(hidden.length).toBeGreaterThan(0);
      expect(await allowed(service, subjects)).toEqual([]);
    });

    it('may not ask services that it does not call, answer unasked, or listen to others', async () => {
      const strangers = natsServices.filter((other) => !has.calls?.includes(other));
      const asked = [
        ...strangers.map((other) => `svc.${other}.user.get`),
        ...others(service).map((other) => `${inboxPrefix(other)}.x`),
        '$SYS.REQ.SERVER.PING',
      ];
      expect(await allowed(service, asked)).toEqual([]);
      for (const subject of [
        '>',
        'sandlot.>',
        'access.>',
        '$KV.>',
        '$JS.>',
        '_INBOX.>',
        ...others(service).flatMap((other) => [`svc.${other}.>`, `${inboxPrefix(other)}.>`]),
      ]) {
        const refusal = await new Promise((resolve) => {
          const subscription = connections[service].subscribe(subject, { callback: (error) => resolve(error?.message) });
          void connections[service]
            .flush()
            .then(() => connections[service].flush())
            .then(() => resolve(`was allowed: ${subject}`))
            .then(() => subscription.unsubscribe());
        });
        expect(refusal).toContain('Permissions Violation');
      }
    });
  });

  it('proxies, and nobody else, tell each other what has passed', async () => {
    const heard = new Promise<string>((resolve) => {
      connections.proxy.subscribe('limits.passed', { max: 1, callback: (_, message) => resolve(message.string()) });
    });
    await connections.proxy.flush();
    expect(await allowed('gateway', ['limits.passed'])).toEqual([]);
    connections.proxy.publish('limits.passed', 'x');
    expect(await heard).toBe('x');
  });

  it('auth appends to its own subjects, reads the log and fills its buckets', async () => {
    const { seq } = await js.auth.publish('sandlot.auth.user.usr_1', '{}');
    expect((await managers.auth.streams.getMessage('DOMAIN', { seq }))?.subject).toBe('sandlot.auth.user.usr_1');
    expect((await managers.auth.direct.getMessage('DOMAIN', { last_by_subj: 'sandlot.auth.user.usr_1' }))?.seq).toBe(seq);
    const keys = await open('auth', 'keys');
    await keys.put('k.1', 'record');
    await keys.delete('k.1');
    const subjectKeys = await open('auth', 'subject-keys');
    await subjectKeys.put('usr_1', 'key');
    await subjectKeys.purge('usr_1');
    expect((await subjectKeys.get('usr_1'))?.operation).toBe('PURGE');
  });

  it('auth handles, acknowledges, pauses and replays with its durable consumer, and writes its dead letters', async () => {
    for (const filter of [{ filter_subject: 'sandlot.auth.>' }, { filter_subjects: ['sandlot.auth.user.*', 'sandlot.auth.apikey.*'] }]) {
      await managers.auth.consumers.add('DOMAIN', { durable_name: 'auth-key-directory', ack_policy: 'explicit', ...filter } as object);
      await managers.auth.consumers.delete('DOMAIN', 'auth-key-directory');
    }
    await managers.auth.consumers.add('DOMAIN', { durable_name: 'auth-key-directory', ack_policy: 'explicit' } as object);
    await managers.auth.consumers.update('DOMAIN', 'auth-key-directory', { filter_subject: 'sandlot.auth.>' });
    const { seq } = await js.auth.publish('sandlot.auth.user.usr_2', '{}');
    const consumer = await js.auth.consumers.get('DOMAIN', 'auth-key-directory');
    const message = await consumer.next({ expires: 2000 });
    expect(await message?.ackAck()).toBe(true);
    await managers.auth.consumers.pause('DOMAIN', 'auth-key-directory', new Date(Date.now() + 60_000));
    await managers.auth.consumers.resume('DOMAIN', 'auth-key-directory');
    await managers.auth.consumers.reset('DOMAIN', 'auth-key-directory', seq);
    await js.auth.publish('dead.auth-key-directory', '{}');
  });

  it('provisioner cannot change a consumer of auth by a request whose body names it and whose subject does not', async () => {
    const before = await managers.auth.consumers.info('DOMAIN', 'auth-key-directory');
    for (const name of [{ name: 'auth-key-directory' }, { durable_name: 'auth-key-directory' }]) {
      const config = { ...before.config, ...name, filter_subject: 'sandlot.none.>', filter_subjects: undefined, inactive_threshold: 1e9 };
      for (const subject of [
        '$JS.API.CONSUMER.CREATE.DOMAIN',
        '$JS.API.CONSUMER.CREATE.DOMAIN.x',
        '$JS.API.CONSUMER.CREATE.DOMAIN.x.sandlot.none.>',
      ]) {
        const answer = await connections.provisioner.request(subject, JSON.stringify({ stream_name: 'DOMAIN', config }));
        expect(answer.json()).toHaveProperty('error');
      }
    }
    expect((await managers.auth.consumers.info('DOMAIN', 'auth-key-directory')).config).toEqual(before.config);
  });

  it('audit reads the log and the accesses in order, filtered or not', async () => {
    await js.proxy.publish('access.requests', '[]');
    for (const [stream, options] of [
      ['DOMAIN', {}],
      ['DOMAIN', { filter_subjects: ['sandlot.auth.user.*', 'sandlot.audit.*.*'] }],
      ['ACCESS', {}],
    ] as const) {
      const consumer = await js.audit.consumers.get(stream, options as object);
      expect(await consumer.next({ expires: 2000 })).not.toBeNull();
    }
    await js.audit.publish('sandlot.audit.projection.trail', '{}');
  });

  it('proxy reads and watches keys and routes', async () => {
    await (await open('auth', 'keys')).put('k.2', 'key');
    await (await open('provisioner', 'routes')).put('alice.s1', 'route');
    for (const [bucket, key] of [
      ['keys', 'k.2'],
      ['routes', 'alice.s1'],
    ] as const) {
      const kv = await open('proxy', bucket);
      expect((await kv.get(key))?.key).toBe(key);
      const seen: string[] = [];
      for await (const entry of await kv.watch()) {
        seen.push(entry.key);
        if (entry.key === key) break;
      }
      expect(seen).toContain(key);
    }
  });

  it('gateway asks a service and gets its answer, also in parts', async () => {
    connections.auth.subscribe('svc.auth.user.list', {
      queue: 'auth',
      callback: (_, message) => ['one', 'two', 'three'].forEach((part) => message.respond(part)),
    });
    await connections.auth.flush();
    const parts: string[] = [];
    for await (const part of await connections.gateway.requestMany('svc.auth.user.list', '', {
      strategy: 'count',
      maxMessages: 3,
      maxWait: 2000,
    }))
      parts.push(part.string());
    expect(parts).toEqual(['one', 'two', 'three']);
    await expect(connections.gateway.request('svc.audit.entry.list')).rejects.toThrow(RequestError);
  });

  it('nobody is not let in', async () => {
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(/authorization/i);
  });

  it('a service is kept in a file that others cannot read, and is the same the next time', async () => {
    expect((await stat(identities.auth.seedFile)).mode & 0o777).toBe(0o600);
    expect(await natsIdentities(join(dir, 'identities'))).toEqual(identities);
  });
});
