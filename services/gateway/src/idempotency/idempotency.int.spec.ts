import { jetstream } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import { authMessages as auth, IDEMPOTENCY_BUCKET, provisionerMessages as provisioner } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { connectNats } from '@sandlot/service-kit';
import { atEnd, waitFor } from '@sandlot/testing';
import { alice, bob, GatewayUnderTest, identityKey, startGateway } from '../testing/gateway-under-test.js';
import { anApiKey, aSandbox } from '../testing/samples.js';
import { IdempotencyKeys } from './idempotency-keys.js';

let gateway: GatewayUnderTest;
let bucket: KV;
let count = 0;
const newKey = () => `key-${(count += 1)}`;

beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
  const connection = await connectNats(await gateway.natsConfigOf('gateway'), 'gateway');
  atEnd(() => connection.close());
  bucket = await new Kvm(jetstream(connection)).open(IDEMPOTENCY_BUCKET, { allow_direct: false });
});
beforeEach(() => {
  gateway.reset();
  gateway.provisioner.answers(provisioner.RequestSandbox, ({ name }) => ({ position: 7, sandbox: aSandbox({ name }) }));
});

const create = (key: string, body: unknown = { name: 's1' }, as = alice) =>
  gateway.send('POST', '/api/v1/sandboxes', { as, body, headers: { 'idempotency-key': key } });
const commandIds = () => gateway.provisioner.requests.map(({ request }) => (request.context as { commandId: string }).commandId);

describe('Idempotency-Key', () => {
  it('gives a repeated request the first answer, and has it carried out once', async () => {
    const key = newKey();
    const first = await create(key);
    const again = await create(`"${key}"`);
    expect(again).toMatchObject({ status: first.status, json: first.json });
    for (const name of ['location', 'etag', 'sandlot-position']) expect(again.headers.get(name)).toBe(first.headers.get(name));
    expect([first, again].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true']);
    expect(commandIds()).toHaveLength(1);
  });

  it('means the same on every spelling of the path and of the body', async () => {
    const key = newKey();
    await create(key, '{"name":"s1","image":"x"}');
    const headers = { 'idempotency-key': key };
    const again = await gateway.send('POST', '/v1/sandboxes/', { as: alice, headers, body: '{ "image": "x", "name": "s1" }' });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  it('is another for another caller, and for another route', async () => {
    const key = newKey();
    gateway.provisioner.answers(provisioner.PauseSandbox, () => ({ position: 8, sandbox: aSandbox() }));
    await create(key);
    await create(key, { name: 's1' }, bob);
    await gateway.send('POST', '/api/v1/sandboxes/s1/pause', { as: alice, headers: { 'idempotency-key': key } });
    expect(new Set(commandIds()).size).toBe(3);
  });

  it('is refused with another body: 422', async () => {
    const key = newKey();
    await create(key);
    expect(await create(key, { name: 's2' })).toMatchObject({ status: 422, json: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  it('is refused while the first request is under way: 409 with Retry-After', async () => {
    const key = newKey();
    const gate = Promise.withResolvers<void>();
    gateway.provisioner.answers(provisioner.RequestSandbox, async () => {
      await gate.promise;
      return { position: 7, sandbox: aSandbox() };
    });
    const first = create(key);
    await waitFor(() => gateway.provisioner.requests.length === 1);
    const meanwhile = await create(key);
    expect(meanwhile).toMatchObject({ status: 409, json: { code: 'REQUEST_IN_PROGRESS' } });
    expect(meanwhile.headers.get('retry-after')).toBe('1');
    gate.resolve();
    expect((await first).status).toBe(202);
    expect((await create(key)).headers.get('idempotency-replayed')).toBe('true');
  });

  it('lets one of many that come at once through', async () => {
    const key = newKey();
    const answers = await Promise.all(Array.from({ length: 8 }, () => create(key)));
    expect(answers.every(({ status }) => status === 202 || status === 409)).toBe(true);
    expect(commandIds()).toHaveLength(1);
  });

  it.each(['OUTCOME_UNKNOWN', 'UNAVAILABLE', 'INTERNAL', 'CONFLICT'] as const)(
    'makes the repetition after %s the same command',
    async (code) => {
      const key = newKey();
      gateway.provisioner.answers(provisioner.RequestSandbox, () => {
        throw new DomainError(code, 'not this time');
      });
      expect((await create(key)).json).toMatchObject({ code });
      gateway.provisioner.answers(provisioner.RequestSandbox, () => ({ position: 7, sandbox: aSandbox() }));
      const again = await create(key);
      expect(again.status).toBe(202);
      expect(again.headers.has('idempotency-replayed')).toBe(false);
      const [first, second] = commandIds();
      expect(second).toBe(first);
    },
  );

  it('repeats a refusal', async () => {
    const key = newKey();
    gateway.provisioner.answers(provisioner.RequestSandbox, () => {
      throw new DomainError('SANDBOX_EXISTS', 'there is one', { name: 's1' });
    });
    await create(key);
    const again = await create(key);
    expect(again).toMatchObject({ status: 409, json: { code: 'SANDBOX_EXISTS', name: 's1' } });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(commandIds()).toHaveLength(1);
  });

  it('is free again after a request that was not valid', async () => {
    const key = newKey();
    expect((await create(key, { name: 'S1' })).status).toBe(422);
    expect((await create(key, { name: 's1' })).status).toBe(202);
  });

  it.each(['', 'a key', '"a', 'x'.repeat(256), 'ä'])('must be printable and at most 255 long: %s', async (key) => {
    const bytes = Buffer.from(key, 'utf8').toString('latin1');
    expect(await create(bytes)).toMatchObject({ status: 400, json: { code: 'MALFORMED_REQUEST' } });
  });

  it('works at every instance', async () => {
    const key = newKey();
    await create(key);
    const other = await startGateway(await gateway.natsConfigOf('gateway'));
    const here = Object.create(gateway, { url: { value: other.url } }) as GatewayUnderTest;
    const again = await here.send('POST', '/api/v1/sandboxes', { as: alice, body: { name: 's1' }, headers: { 'idempotency-key': key } });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  it('keeps neither the key of an answer nor the Idempotency-Key readable', async () => {
    const key = newKey();
    gateway.auth.answers(auth.CreateApiKey, () => ({ position: 5, key: { ...anApiKey(alice), key: 'slk_rawrawraw' } }));
    const send = () =>
      gateway.send('POST', '/api/me/apikeys', { as: alice, body: { name: 'laptop' }, headers: { 'idempotency-key': key } });
    await send();
    expect((await send()).json.key).toBe('slk_rawrawraw');
    const records: string[] = [];
    for await (const name of await bucket.keys()) records.push(name, (await bucket.get(name))?.string() ?? '');
    expect(records.join('\n')).not.toMatch(new RegExp(`slk_|${key}\\b|laptop|${alice.userId}`));
  });
});

describe('after a crash', () => {
  const scope = () => ({ userId: alice.userId, method: 'POST', path: '/api/v1/sandboxes', key: newKey() });
  const keysAt = (time: () => number) => new IdempotencyKeys(bucket, identityKey, { now: () => new Date(time()) });

  it('the repetition waits half a minute and then takes over with the same command', async () => {
    const started = Date.now();
    const request = scope();
    let now = started;
    const keys = keysAt(() => now);
    const first = await keys.admit(request, { name: 's1' });
    now = started + 29_000;
    await expect(keys.admit(request, { name: 's1' })).rejects.toMatchObject({ code: 'REQUEST_IN_PROGRESS' });
    now = started + 31_000;
    const second = await keys.admit(request, { name: 's1' });
    if (!('turn' in first) || !('turn' in second)) throw new Error('both must be let through');
    expect(second.turn.commandId).toBe(first.turn.commandId);
    // The first was slow, not dead: what it has to say comes too late, and harms nothing.
    await first.turn.answered({ from: 'first' });
    await second.turn.answered({ from: 'second' });
    expect(await keys.admit(request, { name: 's1' })).toEqual({ reply: { from: 'second' } });
  });

  it('a request that may take longer is waited for longer', async () => {
    let now = Date.now();
    const request = scope();
    const keys = keysAt(() => now);
    await keys.admit(request, {}, 60_000);
    now += 80_000;
    await expect(keys.admit(request, {})).rejects.toMatchObject({ code: 'REQUEST_IN_PROGRESS' });
  });
});
