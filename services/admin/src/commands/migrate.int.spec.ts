import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { natsIdentities, natsUsers } from '@sandlot/embedded';
import { freshDatabase, startTestNats, tempDir } from '@sandlot/testing';
import { Client } from 'pg';
import { runAdmin } from '../program.js';

describe('sandlot-admin migrate', () => {
  let env: Record<string, string>;

  beforeAll(async () => {
    const identities = await natsIdentities(join(await tempDir(), 'identities'));
    const nats = await startTestNats({ users: natsUsers(identities) });
    env = {
      SANDLOT_NATS_URL: nats.url,
      SANDLOT_NATS_NKEY: (await readFile(identities.migrator.seedFile, 'utf8')).trim(),
      SANDLOT_DATABASE_URL: await freshDatabase(),
    };
  }, 60_000);

  async function admin(more: Record<string, string>, ...args: string[]) {
    const said = { code: 0, out: '', err: '' };
    const streams = { stdout: { write: (text: string) => (said.out += text) }, stderr: { write: (text: string) => (said.err += text) } };
    said.code = await runAdmin(args, { ...env, ...more }, streams);
    return said;
  }

  it('plans what it then does, says what it does, and has nothing left to do', async () => {
    const planned = await admin({}, 'migrate', 'plan', '-o', 'json');
    expect(JSON.parse(planned.out)).toEqual(
      expect.arrayContaining([
        { of: 'nats', name: 'DOMAIN', kind: 'make' },
        { of: 'nats', name: 'KV_operations', kind: 'make' },
        { of: 'audit', name: 'Access1764200000000', kind: 'expand' },
      ]),
    );
    expect(await admin({}, 'migrate', 'plan', '-o', 'json')).toEqual(planned);
    const applied = await admin({}, 'migrate', 'apply', '-o', 'json');
    expect([applied.code, JSON.parse(applied.out)]).toEqual([0, JSON.parse(planned.out)]);
    expect(applied.err).toMatch(/^audit: Access1764200000000 is done after \d+ ms$/m);
    expect(JSON.parse((await admin({}, 'migrate', 'plan', '-o', 'json')).out)).toEqual([]);
    expect(await admin({}, 'migrate', 'apply', '-o', 'json')).toEqual({ code: 0, out: '[]\n', err: '' });
  }, 60_000);

  it('refuses a newer database as a conflict, and says so without its password', async () => {
    const client = new Client({ connectionString: env.SANDLOT_DATABASE_URL });
    await client.connect();
    await client.query(`insert into audit.schema_floor (needs) values ('Tomorrow1999999999999')`).finally(() => client.end());
    for (const what of ['plan', 'apply']) {
      const { code, out, err } = await admin({}, 'migrate', what);
      expect([what, code, out]).toEqual([what, 5, '']);
      expect(err).toContain('its schema audit needs a version that knows Tomorrow1999999999999');
      expect(err).not.toContain(new URL(env.SANDLOT_DATABASE_URL!).password);
    }
  });

  it('says what is missing, and what does not answer', async () => {
    expect(await admin({ SANDLOT_DATABASE_URL: '' }, 'migrate', 'plan')).toMatchObject({
      code: 2,
      err: expect.stringContaining('SANDLOT_DATABASE_URL'),
    });
    const away = await admin({ SANDLOT_DATABASE_URL: 'postgres://owner:secret@127.0.0.1:1/db' }, 'migrate', 'apply');
    expect(away).toMatchObject({ code: 8, err: expect.stringContaining('PostgreSQL does not answer') });
    expect(away.err).not.toContain('secret');
  });
});
