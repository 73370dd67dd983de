import { Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { atEnd, startTestNats } from '@sandlot/testing';
import { z } from 'zod';
import { KvTable } from './kv-table.js';
import { testTable } from './kv-table.features.js';

const Fruit = z.object({ fruit: z.string() });

let one: NatsConnection;
let two: NatsConnection;

beforeAll(async () => {
  const { url } = await startTestNats();
  [one, two] = await Promise.all([connect({ servers: url }), connect({ servers: url })]);
  atEnd(() => Promise.all([one.close(), two.close()]));
  await new Kvm(one).create('fruits', { history: 1 });
});

testTable('a NATS bucket', async () => ({
  table: await KvTable.open(one, 'fruits', Fruit),
  other: await KvTable.open(two, 'fruits', Fruit),
}));

it('takes a record that does not fit its schema for none, and writes it anew', async () => {
  const bucket = await new Kvm(one).open('fruits');
  for (const [key, broken] of Object.entries({ json: '{', shape: '{"vegetable":"leek"}' })) {
    await bucket.put(key, broken);
    const table = await KvTable.open(two, 'fruits', Fruit);
    expect(await table.find(key)).toBeUndefined();
    await table.put(key, { fruit: 'plum' }, undefined);
    expect((await table.find(key))?.value).toEqual({ fruit: 'plum' });
  }
});
