import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { ROUTES_BUCKET } from '@sandlot/contracts';
import { atEnd, startTestNats } from '@sandlot/testing';
import { KvRouteTable } from './kv-route-table.js';
import { testRouteTable } from './route-table.features.js';

testRouteTable('a NATS bucket', async () => {
  const { url } = await startTestNats();
  const connections = await Promise.all([connect({ servers: url }), connect({ servers: url })]);
  atEnd(() => Promise.all(connections.map((connection) => connection.close())));
  const [one, two] = connections as [(typeof connections)[0], (typeof connections)[0]];
  await new Kvm(one).create(ROUTES_BUCKET, { history: 1 });
  return { table: await KvRouteTable.open(one), other: await KvRouteTable.open(two) };
});
