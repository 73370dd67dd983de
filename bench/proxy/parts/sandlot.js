// The data plane as it is served: key authentication, owner check, limits of what is under way, metrics and records on (in batches, as JSON; the publishing itself is NATS').
import { createHmac } from 'node:crypto';
import { DataPlane, RecordBatches, TrafficMetrics } from '@sandlot/proxy';
import { formatApiKey, hashApiKey } from '@sandlot/kernel';

const key = formatApiKey(Buffer.alloc(32, 7));
const hash = hashApiKey(key);
const keyRecord = { keyId: 'key_1', userId: 'usr_1', status: 'active', expiresAt: new Date(Date.now() + 864e5).toISOString() };
const user = { userId: 'usr_1', username: 'alice', role: 'user', status: 'active' };
const route = {
  sandboxId: 'sbx_1', owner: 'usr_1', username: 'alice', name: 's1', state: 'running',
  ports: [{ port: 8888, address: `127.0.0.1:${process.argv[2]}` }],
}; // prettier-ignore

const directory = {
  key: (wanted) => (wanted === hash ? keyRecord : undefined),
  user: (id) => (id === 'usr_1' ? user : undefined),
  route: (username, name) => (username === 'alice' && name === 's1' ? route : undefined),
  watchRoute: () => () => undefined,
  watchRoutes: () => () => undefined,
  watchCredentials: () => () => undefined,
};
const batches = new RecordBatches();
setInterval(() => {
  while (batches.take());
}, 50);
const plane = new DataPlane({
  directory,
  signer: { sign: (identity) => createHmac('sha256', 'x').update(JSON.stringify(identity)).digest('base64url') },
  gatewayAddress: '127.0.0.1:9',
  recorder: new TrafficMetrics({ record: (record) => batches.add(record) }),
  sandboxes: { allowLoopback: true },
  limits: { connectionsPerUser: 20_000, requestsPerUser: 20_000 },
  maxConnections: 20_000,
});
const { port } = await plane.listen(0, '127.0.0.1');
process.send({ port, path: '/proxy/s1/hello', tunnelTo: 's1:8888', headers: { authorization: `Bearer ${key}` } });
