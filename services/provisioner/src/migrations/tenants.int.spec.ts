import { newId } from '@sandlot/kernel';
import { migrate } from '@sandlot/projections';
import { atEnd, freshDatabase } from '@sandlot/testing';
import { Client } from 'pg';
import { Sandboxes1763700000000 } from './1-sandboxes.js';

const [alice, bob] = [newId('usr'), newId('usr')];

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  atEnd(() => client.end());
  return client;
}

describe('the list of sandboxes, to a query without any condition', () => {
  let owner: Client;
  let writer: Client;
  let reader: Client;

  beforeAll(async () => {
    const ownerUrl = await freshDatabase();
    const { readerUrl, writerUrl } = await migrate({
      service: 'provisioner',
      ownerUrl,
      migrations: [Sandboxes1763700000000],
    });
    writer = await connected(writerUrl);
    owner = await connected(ownerUrl);
    for (const user of [alice, alice, bob])
      await writer.query(
        `insert into provisioner_blue.sandboxes (id, state, version, created_at, updated_at, owner, name, phase)
         values ($1, '{}', 1, now(), now(), $2, 's', 'running')`,
        [newId('sbx'), user],
      );
    reader = await connected(readerUrl);
  });

  it.each([
    ['nobody’s, when it does not say for whom it is', undefined, 0],
    ['Alice’s, for Alice', alice, 2],
    ['Bob’s, for Bob', bob, 1],
    ['nothing, for somebody without any', newId('usr'), 0],
    ['everybody’s, for administrators', '*', 3],
  ])('shows %s', async (_, tenant, count) => {
    await reader.query('begin');
    if (tenant) await reader.query(`select set_config('sandlot.tenant', $1, true)`, [tenant]);
    const { rows } = await reader.query('select id from provisioner.sandboxes');
    await reader.query('rollback');
    expect(rows).toHaveLength(count);
  });

  it('finds a page by the index of the owner, whatever the other rows are', async () => {
    await writer.query(`
      insert into provisioner_blue.sandboxes (id, state, version, created_at, updated_at, owner, name, phase)
      select 'sbx_' || lpad(i::text, 8, '0'), '{}', 1, now(), now(), 'usr_' || i % 100, 's', 'running' from generate_series(1, 20000) i`);
    await owner.query('analyze');
    await reader.query(`begin; select set_config('sandlot.tenant', 'usr_7', true)`);
    const { rows } = await reader.query<{ 'QUERY PLAN': string }>(
      `explain select id from provisioner.sandboxes where owner = 'usr_7' and id < 'sbx_00009999' and phase <> 'deleted' order by id desc limit 51`,
    );
    await reader.query('rollback');
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toMatch(/Index Cond: \(\(owner = 'usr_7'::text\) AND \(id < /);
  });

  it('forgets for whom it was with the end of the transaction', async () => {
    await reader.query(`begin; select set_config('sandlot.tenant', '*', true); commit`);
    expect((await reader.query('select id from provisioner.sandboxes')).rows).toEqual([]);
  });
});
