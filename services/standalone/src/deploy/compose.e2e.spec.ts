import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kvm } from '@nats-io/kv';
import { lastBackupKey, OPERATIONS_BUCKET } from '@sandlot/contracts';
import { connectNats } from '@sandlot/service-kit';
import { atEnd, freePort, freshDatabase, natsServerBinary, tempDir } from '@sandlot/testing';
import { ensureBuilt } from '../testing/build.js';
import { Child } from '../testing/child.js';
import { Client } from '../testing/http-client.js';
import { compose, environmentOf, programOf, type Compose } from './testing/compose.js';
import { repositoryPath } from './testing/repository-file.js';

const services = ['auth', 'provisioner', 'audit', 'gateway', 'proxy'] as const;

/** What containers have and processes of one machine do not: folders and ports of their own, names of each other. */
describe('the services of docker-compose.yml, as processes', () => {
  let file: Compose;
  let keys: string;
  let urls: string;
  let natsPort: number;
  let gatewayPort: number;
  const children: Child[] = [];
  const outsideContainer = (name: string, text: string) =>
    text
      .replace(/^\/keys\//, `${join(keys, name)}/`)
      .replace(/^\/keys$/, keys)
      .replace(/^\/urls$/, urls)
      .replace('nats://nats:4222', `nats://127.0.0.1:${natsPort}`)
      .replace('http://gateway:8081', `http://127.0.0.1:${gatewayPort}`);
  const child = (name: string, more: Record<string, string> = {}) => {
    const { command = [], ...service } = file.services[name]!;
    const env = Object.entries(environmentOf({ command, ...service })).map(([variable, value]) => [
      variable,
      outsideContainer(name, value),
    ]);
    const [program, ...args] = command as [string, ...string[]];
    const made = new Child(name, [repositoryPath(program), ...args.map((arg) => outsideContainer(name, arg))], {
      ...Object.fromEntries(env),
      ...more,
    });
    children.push(made);
    made.start();
    return made;
  };
  const once = async (name: string) => {
    const run = child(name);
    expect([name, await run.exit(), run.said]).toEqual([name, 0, expect.any(String)]);
  };

  beforeAll(async () => {
    await ensureBuilt();
    file = await compose();
    [keys, urls] = [await tempDir(), await tempDir()];
    [natsPort, gatewayPort] = [await freePort(), await freePort()];
  }, 60_000);
  afterAll(() => Promise.all(children.map((one) => one.end('SIGTERM'))), 60_000);

  it('make their keys, migrate, and let the administrator in, who makes a sandbox', async () => {
    await once('setup');
    await startNats();
    await writeFile(join(keys, 'migrate', 'owner.url'), await freshDatabase()); // theirs is named postgres
    await once('migrate');
    await once('hand-out');

    const sandboxes = await tempDir();
    const port = await freePort();
    const health: Client[] = [];
    for (const name of services) {
      const metrics = String(await freePort());
      const own: Record<string, Record<string, string>> = {
        gateway: { SANDLOT_GATEWAY_PORT: String(gatewayPort) },
        provisioner: { SANDLOT_DATA_DIR: sandboxes },
        proxy: { SANDLOT_PORT: String(port), SANDLOT_HOST: '127.0.0.1' },
      };
      child(name, { SANDLOT_METRICS_PORT: metrics, SANDLOT_METRICS_HOST: '127.0.0.1', SANDLOT_LOG_LEVEL: 'warn', ...own[name] });
      health.push(new Client(`http://127.0.0.1:${metrics}`));
    }
    for (const [index, name] of services.entries())
      await children
        .find((one) => one.name === name)!
        .until(async () => (await health[index]!.get('/readyz')).status === 200, 'it is ready');

    const setup = repositoryPath(file.services['setup']!.command![0]!);
    const trial = new Child('try', [setup, 'try', `http://127.0.0.1:${port}`, join(keys, 'auth', 'admin.key'), 'sandbox'], {});
    trial.start();
    expect([await trial.exit(), trial.said]).toEqual([0, expect.stringContaining('a sandbox was made and has run a command')]);
    const everything = children.map(({ output }) => output).join('');
    expect(everything).not.toContain((await readFile(join(keys, 'auth', 'admin.key'), 'utf8')).trim());
  }, 120_000);

  it('are backed up by the command of docs/how-to/backup-and-restore.md, which tells them so (S0-62)', async () => {
    const place = join(await tempDir(), 'backups');
    const guide = await readFile(repositoryPath('docs/how-to/backup-and-restore.md'), 'utf8');
    const [, seed, program] = /SANDLOT_NATS_NKEY_FILE=(\S+) setup (\S+) backup create \/backups/.exec(guide)!;
    const settings = { SANDLOT_NATS_URL: `nats://127.0.0.1:${natsPort}`, SANDLOT_NATS_NKEY_FILE: seed!.replace(/^\/keys/, keys) };
    const admin = async (...args: string[]) => {
      const run = new Child('backup', [repositoryPath(program!), '-o', 'json', '-q', ...args], settings);
      run.start();
      expect([await run.exit(), run.said]).toEqual([0, expect.stringContaining('"logChecked": true')]);
      return JSON.parse(run.said) as { id: string; events: number };
    };
    const taken = await admin('backup', 'create', place);
    expect(taken.events).toBeGreaterThan(5);
    expect(await admin('backup', 'check', place)).toEqual(taken);
    const seedOf = async (name: string) => (await readFile(join(keys, 'setup', 'nats-identities', `${name}.nk`), 'utf8')).trim();
    const gateway = await connectNats(
      { SANDLOT_NATS_URL: settings.SANDLOT_NATS_URL, SANDLOT_NATS_NKEY: await seedOf('gateway') },
      'gateway',
    );
    atEnd(() => gateway.close());
    const told = await (await new Kvm(gateway).open(OPERATIONS_BUCKET)).get(lastBackupKey);
    expect(told!.json()).toMatchObject({ id: taken.id, events: taken.events, target: 'folder' });
  }, 60_000);

  it('are all there', () => {
    expect(services.map((name) => programOf(file.services[name]!))).toEqual(services);
  });

  /** With the configuration that was made for its container, on other ports and another disk. Who needs it waits for it. */
  async function startNats(): Promise<void> {
    const [, config] = file.services['nats']!.command as [string, string];
    const store = await tempDir();
    const text = (await readFile(outsideContainer('nats', config), 'utf8'))
      .replace('0.0.0.0:4222', `127.0.0.1:${natsPort}`)
      .replace('0.0.0.0:8222', '127.0.0.1:-1')
      .replace('"/data"', JSON.stringify(store));
    await writeFile(join(store, 'nats.conf'), text);
    const server = spawn(await natsServerBinary(), ['-c', join(store, 'nats.conf')], { stdio: 'ignore' });
    atEnd(() => void server.kill('SIGKILL'));
  }
});
