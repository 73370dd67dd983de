import { newId } from '@sandlot/kernel';
import { migrate } from '@sandlot/projections';
import { freshDatabase } from '@sandlot/testing';
import { Client } from 'pg';
import { Entries, tailCursor } from './entries.js';
import { Trail1763700000000 } from './migrations/1-trail.js';
import { entryOf } from './projections/trail.js';

describe('the trail in PostgreSQL', () => {
  let client: Client;
  let reader: Client;
  let entries: Entries;
  const alice = newId('usr');
  const sandbox = newId('sbx');
  const at = (minute: number) => `2026-01-01T00:${String(minute).padStart(2, '0')}:00.000Z`;

  beforeAll(async () => {
    const ownerUrl = await freshDatabase();
    const { readerUrl } = await migrate({ service: 'audit', ownerUrl, migrations: [Trail1763700000000] });
    client = new Client({ connectionString: ownerUrl });
    await client.connect();
    reader = new Client({ connectionString: readerUrl });
    await reader.connect();
    entries = new Entries({ query: async (sql, params) => (await reader.query(sql, [...params])).rows });

    await client.query(`insert into audit_blue.names values ($1, 'user', 'alice'), ($2, 'sandbox', 's1')`, [alice, sandbox]);
    for (let position = 1; position <= 5; position += 1)
      await client.query(
        `insert into audit_blue.entries values ($1, $2, $3, 'user', $4, 'key_1', '127.0.0.1', $5, 'sandbox', $6, 'done', null, 'req_1', '{}')`,
        [
          position,
          newId('evt', new Date(at(position))),
          at(position),
          alice,
          position === 5 ? 'sandbox.deletion-requested' : 'sandbox.requested',
          sandbox,
        ],
      );
    for (let sequence = 1; sequence <= 2; sequence += 1)
      await client.query(
        `insert into audit.refusals values ($1, $2, $3, null, null, null, '10.0.0.9', 'GET', '/api/v1/me', 401, 'UNAUTHENTICATED', null, null, 'req_2')`,
        [sequence, newId('evt', new Date(at(10 + sequence))), at(10 + sequence)],
      );
    await client.query(`insert into audit.checkpoints (projection, slot, position) values ('trail', 'blue', 5), ('trail', 'green', 0)`);
    await client.query(`insert into audit.loads values ('refusals', 'x', 2)`);
  });

  afterAll(() => Promise.all([client.end(), reader.end()]));

  const list = (filters: object, more: object = {}) => entries.list({ filters, order: 'desc', limit: 50, ...more });

  it('S0-09 tells who did what to what, when, and from where', async () => {
    const { items } = await list({ actor: 'alice', action: 'sandbox.deletion-requested' });
    expect(items).toEqual([
      {
        id: expect.stringMatching(/^evt_/),
        at: at(5),
        actorType: 'user',
        actorId: alice,
        actor: 'alice',
        keyId: 'key_1',
        ip: '127.0.0.1',
        action: 'sandbox.deletion-requested',
        targetType: 'sandbox',
        targetId: sandbox,
        target: 's1',
        outcome: 'done',
        status: null,
        reason: null,
        correlationId: 'req_1',
        position: 5,
        data: {},
      },
    ]);
  });

  it('S0-09 holds refused requests too', async () => {
    const { items } = await list({ outcome: 'refused' });
    expect(items).toHaveLength(2);
    expect(items[0]).toMatchObject({ actor: 'anonymous', status: 401, reason: 'UNAUTHENTICATED', targetId: '/api/v1/me', position: null });
  });

  it.each([
    [{}, 7],
    [{ actor: 'alice' }, 5],
    [{ actor: alice }, 5],
    [{ target: 's1' }, 5],
    [{ target: sandbox }, 5],
    [{ action: 'sandbox.*' }, 5],
    [{ targetType: 'request' }, 2],
    [{ keyId: 'key_1' }, 5],
    [{ correlationId: 'req_2' }, 2],
    [{ since: at(3), until: at(5) }, 2],
    [{ actor: 'nobody' }, 0],
  ])('filters by %j', async (filters, count) => expect((await list(filters)).items).toHaveLength(count));

  it.each(['asc', 'desc'] as const)('pages through everything once, %s', async (order) => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await list({}, { order, limit: 3, cursor });
      seen.push(...page.items.map((item) => item.at));
      cursor = page.nextCursor ?? undefined;
    } while (cursor);
    const times = [1, 2, 3, 4, 5, 11, 12].map(at);
    expect(seen).toEqual(order === 'asc' ? times : times.reverse());
  });

  it('refuses a cursor that is none', async () => {
    await expect(list({}, { cursor: 'bm9uZQ' })).rejects.toMatchObject({ code: 'INVALID_CURSOR' });
    expect(() => tailCursor('x')).toThrow(expect.objectContaining({ code: 'INVALID_CURSOR' }));
  });

  it('is followed from any point on, each entry once', async () => {
    const all = await entries.tail({ domain: 0, access: 0 }, {}, 500);
    expect(all.cursor).toEqual({ domain: 5, access: 2 });
    for (const [index, { cursor }] of all.items.entries()) {
      const rest = await entries.tail(cursor, {}, 500);
      expect(rest.items.map(({ entry }) => entry.id)).toEqual(all.items.slice(index + 1).map(({ entry }) => entry.id));
    }
    const first = await entries.tail({ domain: 0, access: 0 }, {}, 2);
    expect(first.cursor.domain).toBe(2);
  });
});

it('leaves what is sealed and what a key is looked up by out of the trail', () => {
  const data = { userId: 'usr_1', personal: { email: 's1.x' }, hash: 'a'.repeat(64) };
  const event = {
    type: 'x.y.v1',
    fact: { type: 'x.y.v1', data },
    aggregate: { aggregate: 'x', id: '1' },
    actor: { type: 'user', id: 'usr_1' },
  };
  expect(entryOf(event as never).data).toEqual({ userId: 'usr_1' });
});
