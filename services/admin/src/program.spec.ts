import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Command } from 'commander';
import { isApiKey } from '@sandlot/kernel';
import { tempDir } from '@sandlot/testing';
import { loadMasterKeys } from '@sandlot/event-store';
import { program, runAdmin } from './program.js';

interface Said {
  code: number;
  out: string;
  err: string;
}

const projection = { service: 'auth', name: 'users', status: 'running', position: 7, lagEvents: 0, message: null };

describe('sandlot-admin', () => {
  let server: Server;
  let url: string;
  let keyFile: string;
  let answer: { status: number; body?: unknown };
  let asked: { method?: string; url?: string; authorization?: string; body: string }[];

  beforeAll(async () => {
    keyFile = join(await tempDir(), 'admin.key');
    await writeFile(keyFile, 'slk_secret\n');
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      asked.push({ method: request.method, url: request.url, authorization: request.headers.authorization, body });
      const said: unknown = typeof answer.body === 'function' ? (answer.body as () => unknown)() : answer.body;
      response.writeHead(answer.status).end(said === undefined ? '' : JSON.stringify(said));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });
  beforeEach(() => {
    asked = [];
    answer = { status: 200, body: { items: [projection], unanswered: [] } };
  });

  async function admin(...args: string[]): Promise<Said> {
    const said: Said = { code: 0, out: '', err: '' };
    const streams = { stdout: { write: (text: string) => (said.out += text) }, stderr: { write: (text: string) => (said.err += text) } };
    said.code = await runAdmin(args, { SANDLOT_URL: url, SANDLOT_ADMIN_KEY_PATH: keyFile }, streams);
    return said;
  }

  it('asks the API with the key from the file, and prints a table', async () => {
    expect(await admin('projections', 'list')).toEqual({
      code: 0,
      out: 'SERVICE  NAME   STATUS   POSITION  LAG EVENTS  MESSAGE\nauth     users  running  7         0           -\n',
      err: '',
    });
    expect(asked).toEqual([{ method: 'GET', url: '/api/v1/admin/projections', authorization: 'Bearer slk_secret', body: '' }]);
  });

  it.each(['before', 'behind'])('prints JSON and nothing else with -o json %s the command', async (where) => {
    const args = ['projections', 'list'];
    const { code, out } = await admin(...(where === 'before' ? ['-o', 'json', ...args] : [...args, '-o', 'json']));
    expect([code, JSON.parse(out)]).toEqual([0, [projection]]);
  });

  it('carries a command out, with the reason', async () => {
    answer = { status: 202 };
    expect(await admin('projections', 'rebuild', 'auth/users', '--reason', 'a new column')).toMatchObject({ code: 0, out: '' });
    expect(asked[0]).toMatchObject({
      method: 'POST',
      url: '/api/v1/admin/projections/auth/users/rebuild',
      body: '{"reason":"a new column"}',
    });
  });

  it('shows a list that is not complete, and fails', async () => {
    answer.body = { items: [projection], unanswered: [{ service: 'audit', code: 'UNAVAILABLE', detail: 'nobody there' }] };
    expect(await admin('projections', 'list')).toMatchObject({ code: 8, err: expect.stringContaining('audit does not answer') });
  });

  it.each([
    [401, 3],
    [404, 4],
    [409, 5],
    [429, 6],
    [503, 8],
    [504, 7],
    [500, 1],
  ])('ends a refusal with status %i by exit code %i, and says code, hint and request', async (status, code) => {
    answer = { status, body: { detail: 'it is so', code: 'SOME_CODE', hint: 'Do this.', requestId: 'req_1' } };
    const said = await admin('consumers', 'resume', 'auth-forget');
    expect(said).toEqual({ code, out: '', err: 'error: it is so (SOME_CODE)\nhint: Do this.\nrequest: req_1\n' });
  });

  it('says that nothing answers, without the key', async () => {
    const said: Said = { code: 0, out: '', err: '' };
    const streams = { stdout: { write: () => undefined }, stderr: { write: (text: string) => (said.err += text) } };
    said.code = await runAdmin(['consumers', 'list', '--url', 'http://127.0.0.1:1', '--key-file', keyFile], {}, streams);
    expect(said).toMatchObject({ code: 8, err: expect.stringContaining('nothing answers at http://127.0.0.1:1') });
    expect(said.err).not.toContain('slk_');
  });

  it.each([
    [['projetions'], 'Did you mean projections?'],
    [['projections', 'skip', 'auth/users', 'x', '--reason', 'r'], 'position of the log'],
    [['projections', 'rebuild', 'auth/users'], '--reason'],
    [['projections', 'retry', 'users'], 'service/name'],
    [['dead-letters', 'discard', 'auth', '3'], '--yes'],
    [['backup', 'list', 'ftp://somewhere'], 's3://bucket/prefix'],
    [['-o', 'xml', 'projections', 'list'], 'Allowed choices are table, json'],
  ])('refuses %j as a mistake of its user, and asks nobody', async (args, said) => {
    const { code, out, err } = await admin(...args);
    expect({ code, out, asked }).toEqual({ code: 2, out: '', asked: [] });
    expect(err).toContain(said);
  });

  it('makes a new key for the administrator when one says so, keeps the old one beside it, and prints neither', async () => {
    const before = await readFile(keyFile, 'utf8');
    expect(await admin('reset')).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    expect(await admin('reset', '--dry-run')).toMatchObject({ code: 0 });
    expect(await readFile(keyFile, 'utf8')).toBe(before);
    const { code, out, err } = await admin('reset', '--yes');
    const made = await readFile(keyFile, 'utf8');
    expect([code, isApiKey(made.trim()), await readFile(`${keyFile}.old`, 'utf8')]).toEqual([0, true, before]);
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    expect(out + err).not.toContain('slk_');
    await writeFile(keyFile, before);
  });

  it('puts data keys under the newest master key batch by batch, and says how far it is', async () => {
    const batches = [
      { masterKey: 'ab', looked: 2, rewrapped: 2, next: 'usr_2' },
      { masterKey: 'ab', looked: 1, rewrapped: 0, next: null },
    ];
    answer = { status: 200, body: () => batches.shift() };
    const { code, out, err } = await admin('keys', 'rotate', '--limit', '2', '-o', 'json');
    expect([code, JSON.parse(out)]).toEqual([0, { masterKey: 'ab', looked: 3, rewrapped: 2 }]);
    expect(err).toBe('2 users looked at, 2 put under ab\n3 users looked at, 2 put under ab\n');
    expect(asked.map(({ url: path, body }) => [path, JSON.parse(body)])).toEqual([
      ['/api/v1/admin/master-key/rewrap', { limit: 2 }],
      ['/api/v1/admin/master-key/rewrap', { limit: 2, after: 'usr_2' }],
    ]);
  });

  it('puts a new master key on top of the others when one says so, and prints its id alone', async () => {
    const folder = await tempDir();
    const file = join(folder, 'master.key');
    await writeFile(file, `${'A'.repeat(43)}\n`, { mode: 0o600 });
    const old = (await loadMasterKeys(file))[0]!.id;
    expect(await admin('keys', 'new', '--data-dir', folder)).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    const { code, out } = await admin('keys', 'new', '--yes', '--data-dir', folder, '-o', 'json');
    const [made, kept] = await loadMasterKeys(file); // refuses what others may read
    expect([code, JSON.parse(out), kept!.id]).toEqual([0, { keyFile: file, masterKey: made!.id }, old]);
    expect(out).not.toContain(made!.key.toString('base64url'));
    expect(await admin('keys', 'new', '--yes', '--data-dir', join(folder, 'nowhere'))).toMatchObject({ code: 4 });
  });

  it('bundles what helpers need, without what handlers quote, and never over another file', async () => {
    const file = join(await tempDir(), 'bundle.json');
    const letter = {
      service: 'auth',
      id: 3,
      consumer: 'auth-forget',
      reason: 'alice@example.com',
      position: 4,
      message: `bob@example.com with slk_${'4'.repeat(49)}`,
    };
    answer.body = { status: 'ok', items: [letter], unanswered: [], nextCursor: null };
    expect(await admin('support-bundle', file)).toMatchObject({ code: 0 });
    expect(await readFile(file, 'utf8')).not.toMatch(/alice@|bob@|slk_4/);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ deadLetters: [{ id: 3 }] });
    expect(JSON.parse(await readFile(file, 'utf8')).deadLetters[0]).not.toHaveProperty('reason');
    expect(await admin('support-bundle', file)).toMatchObject({ code: 5, err: expect.stringContaining('is there already') });
  });

  it('shows settings with where they come from, and no secrets', async () => {
    const said: Said = { code: 0, out: '', err: '' };
    const streams = { stdout: { write: (text: string) => (said.out += text) }, stderr: { write: () => undefined } };
    const env = { SANDLOT_DATABASE_URL: 'postgres://owner:secret@host/db' };
    said.code = await runAdmin(['config', '-o', 'json', '--data-dir', '/data'], env, streams);
    expect(said.code).toBe(0);
    expect(JSON.parse(said.out)).toEqual(
      expect.arrayContaining([
        { name: 'SANDLOT_DATABASE_URL', value: '(hidden)', source: 'environment' },
        { name: 'SANDLOT_DATA_DIR', value: '/data', source: 'environment' },
        { name: 'SANDLOT_PORT', value: '8080', source: 'default' },
      ]),
    );
  });

  describe.each([
    [['status']],
    [['health']],
    [['config']],
    [['projections', 'list']],
    [['projections', 'rebuild', 'auth/users', '--reason', 'r']],
    [['projections', 'retry', 'auth/users']],
    [['projections', 'skip', 'auth/users', '3', '--reason', 'r']],
    [['consumers', 'list']],
    [['consumers', 'pause', 'auth-forget', '--until', '2026-11-30T08:00:00Z']],
    [['consumers', 'resume', 'auth-forget']],
    [['consumers', 'replay', 'auth-forget']],
    [['dead-letters', 'list']],
    [['dead-letters', 'replay', 'auth', '3']],
    [['dead-letters', 'discard', 'auth', '3', '--yes']],
    [['keys', 'rotate']],
    [['reset', '--dry-run']],
    [['support-bundle']],
  ])('%j', (words) => {
    const args = async () => (words[0] === 'support-bundle' ? [...words, join(await tempDir(), 'bundle.json')] : words);
    const everything = {
      ...{ status: 'ok', items: [{ ...projection, head: 7, pending: 0, deadLetters: 0, reason: 'x' }], unanswered: [], nextCursor: null },
      ...{ masterKey: 'ab', looked: 0, rewrapped: 0, next: null },
    };

    it('answers with JSON and nothing else, when it is asked to', async () => {
      answer.body = everything;
      const { code, out } = await admin(...(await args()), '-o', 'json');
      expect([code, typeof JSON.parse(out)]).toEqual([0, 'object']);
    });

    it('explains itself', async () => {
      const { code, out } = await admin(...words.slice(0, words.findIndex((word) => /^(-|auth)/.test(word)) >>> 0), '--help');
      expect([code, out]).toEqual([0, expect.stringContaining('Usage: sandlot-admin')]);
    });

    if (words[0] !== 'config' && words[0] !== 'reset')
      it('ends with the exit code of a refusal, and says nothing on standard output', async () => {
        answer = { status: 403, body: { detail: 'no', code: 'FORBIDDEN' } };
        expect(await admin(...(await args()), '-o', 'json')).toMatchObject({ code: 3, out: '', err: expect.stringContaining('FORBIDDEN') });
      });
  });

  it('has no command that is not among those above or tried with the servers that it needs', () => {
    const elsewhere = [
      ...[
        'preflight',
        'migrate plan',
        'migrate apply',
        'backup create',
        'backup list',
        'backup check',
        'restore',
        'verify',
        'keys new',
        'keys list',
      ],
    ];
    const paths = (command: Command, above: string[]): string[] =>
      command.commands.length === 0 ? [above.join(' ')] : command.commands.flatMap((child) => paths(child, [...above, child.name()]));
    const all = paths(
      program(() => async () => undefined, { stdout: process.stdout, stderr: process.stderr }),
      [],
    );
    const tabled = [
      ...['status', 'health', 'config', 'reset', 'support-bundle', 'keys rotate'],
      ...['projections list', 'projections rebuild', 'projections retry', 'projections skip'],
      ...['consumers list', 'consumers pause', 'consumers resume', 'consumers replay'],
      ...['dead-letters list', 'dead-letters replay', 'dead-letters discard'],
    ];
    expect(all.sort()).toEqual([...elsewhere, ...tabled].sort());
  });

  it('rebuilds all that have halted, and none that waits for its service to be updated', async () => {
    const halted = { ...projection, status: 'halted', reason: 'LOG_REWOUND' };
    const items = [projection, { ...halted, name: 'api_keys' }, { ...halted, service: 'audit', name: 'trail' }, { ...halted, name: 'newer', reason: 'NEWER_EVENT' }]; // prettier-ignore
    answer.body = { items, unanswered: [] };
    const { code, out } = await admin('projections', 'rebuild', '--halted', '--reason', 'restored', '-o', 'json');
    expect([code, JSON.parse(out)]).toEqual([0, { rebuilding: ['auth/api_keys', 'audit/trail'] }]);
    const told = asked.filter(({ method }) => method === 'POST').map(({ url: path }) => path);
    expect(told).toEqual(['/api/v1/admin/projections/auth/api_keys/rebuild', '/api/v1/admin/projections/audit/trail/rebuild']);
    for (const args of [[], ['auth/users', '--halted']])
      expect(await admin('projections', 'rebuild', ...args, '--reason', 'r')).toMatchObject({
        code: 2,
        err: expect.stringContaining('--halted'),
      });
  });

  it('shows how the platform is as a whole, and fails when it is not well', async () => {
    const items = [
      { code: 'SL-DB-01', severity: 'error', subject: 'auth/users', since: '2026-11-27T08:00:00Z', message: 'away', hint: 'Wait.' },
    ];
    answer.body = { status: 'error', items };
    const { code, out } = await admin('health', '-o', 'json');
    expect([code, JSON.parse(out)]).toEqual([1, { status: 'error', items }]);
    expect(await admin('health')).toMatchObject({ code: 1, out: expect.stringMatching(/SL-DB-01 +error +auth\/users/) });
  });

  it('explains itself', async () => {
    const { code, out } = await admin('--help');
    expect(code).toBe(0);
    for (const name of [
      'projections',
      'consumers',
      'dead-letters',
      'backup',
      'restore',
      'verify',
      'migrate',
      'keys',
      'status',
      'health',
      'support-bundle',
      'reset',
      'Exit codes',
    ])
      expect(out).toContain(name);
  });
});
