import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { ACCESS_STREAM, keyRecordKey, KEYS_BUCKET, routeKey, ROUTES_BUCKET, userRecordKey } from '@sandlot/contracts';
import { formatApiKey, hashApiKey, newId } from '@sandlot/kernel';
import { startService, verifyIdentity } from '@sandlot/service-kit';
import { startTestNats, waitFor } from '@sandlot/testing';
import { proxyService, PublicPort } from './proxy.module.js';
import { httpUpstream } from './testing/raw-peers.js';

const SANDLOT_IDENTITY_KEY = 'k'.repeat(32);

describe('the proxy service', () => {
  it('S0-01 S0-32 S1-28 serves from the buckets, survives NATS, refuses a revoked key, and leaves its records', async () => {
    const nats = await startTestNats();
    const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: ACCESS_STREAM, subjects: ['access.>'] });
    const keys = await new Kvm(connection).create(KEYS_BUCKET, { allow_direct: true });
    const routes = await new Kvm(connection).create(ROUTES_BUCKET, { allow_direct: true });
    const sandbox = await httpUpstream((_, response) => response.end('hello'));
    const gateway = await httpUpstream((_, response) => response.end('gateway'));

    const key = formatApiKey(crypto.getRandomValues(new Uint8Array(32)));
    const userId = newId('usr');
    const record = { keyId: newId('key'), userId, expiresAt: null };
    const putKey = (status: string) => keys.put(keyRecordKey(hashApiKey(key)), JSON.stringify({ ...record, status }));
    await putKey('active');
    await keys.put(userRecordKey(userId), JSON.stringify({ userId, username: 'alice', role: 'user', status: 'active' }));
    const ports = [{ port: 8888, address: sandbox.address }];
    const route = { sandboxId: newId('sbx'), owner: userId, username: 'alice', name: 's1', state: 'running', ports };
    await routes.put(routeKey('alice', 's1'), JSON.stringify(route));

    const settings = {
      SANDLOT_IDENTITY_KEY,
      SANDLOT_NATS_URL: nats.url,
      SANDLOT_METRICS_PORT: '0',
      SANDLOT_LOG_LEVEL: 'silent',
      SANDLOT_PORT: '0',
      SANDLOT_HOST: '127.0.0.1',
      SANDLOT_RUNTIME: 'process',
      SANDLOT_GATEWAY_URL: `http://${gateway.address}`,
    };
    const service = await startService(proxyService, settings);
    const { port } = service.app.get(PublicPort, { strict: false });
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${key}` } });

    expect(await (await get('/proxy/s1/')).text()).toBe('hello');
    expect(await (await get('/api/v1/me')).text()).toBe('gateway');
    const identity = verifyIdentity(gateway.requests[0]!.headers['x-sandlot-identity'], SANDLOT_IDENTITY_KEY, { now: new Date() });
    expect(identity).toMatchObject({ userId, username: 'alice', role: 'user', ip: '127.0.0.1' });
    await waitFor(async () => (await service.health.readiness()).ready, { describe: 'readiness' });

    await nats.kill();
    await waitFor(async () => (await get('/proxy/other/')).status === 503, { describe: 'the loss to be noticed' });
    expect((await get('/proxy/s1/')).status).toBe(200);
    expect((await service.health.readiness()).ready).toBe(true);
    await nats.restart();
    await waitFor(async () => (await get('/proxy/other/')).status === 404, { describe: 'NATS to be back' });

    await putKey('revoked');
    await waitFor(async () => (await get('/proxy/s1/')).status === 401, { every: 5, describe: 'the revocation' });

    await service.close();
    const stored = (await manager.streams.getMessage(ACCESS_STREAM, { last_by_subj: 'access.requests' }))!.json<{ reason: string }[]>();
    expect(stored.at(-1)).toMatchObject({ status: 401, userId, reason: 'key revoked', path: '/proxy/s1/' });
    await connection.close();
    await Promise.all([sandbox.close(), gateway.close()]);
  });
});
