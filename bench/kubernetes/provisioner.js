import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { provisionerMessages } from '@sandlot/contracts';
import { startPostgres } from '@sandlot/embedded';
import { newId } from '@sandlot/kernel';
import { RpcClient } from '@sandlot/service-kit';
import { atEnd, freePort, startTestNats, tempDir } from '@sandlot/testing';
import { repository, startProgram } from '../platform/standalone.js';

/** A provisioner in a process of its own, with the servers that it needs and nothing else, asked over NATS as the gateway asks it. */
export async function startProvisioner(settings) {
  const dataDir = await tempDir();
  const nats = await startTestNats();
  const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres'), unsafeFast: true });
  atEnd(() => postgres.kill());
  const urls = join(dataDir, 'urls');
  const shared = { SANDLOT_NATS_URL: nats.url, SANDLOT_LOG_LEVEL: 'info', SANDLOT_METRICS_HOST: '127.0.0.1' };
  await promisify(execFile)(process.execPath, [join(repository, 'services/standalone/dist/migrate.js')], {
    env: { ...shared, SANDLOT_METRICS_PORT: '0', SANDLOT_DATABASE_URL: postgres.url, SANDLOT_DATABASE_URLS_DIR: urls },
  });
  const program = await startProgram(
    'services/provisioner/dist/main.js',
    {
      ...shared,
      ...settings,
      SANDLOT_METRICS_PORT: String(await freePort()),
      SANDLOT_DATA_DIR: dataDir,
      SANDLOT_DATABASE_URL_FILE: join(urls, 'provisioner.url'),
      SANDLOT_DATABASE_READER_URL_FILE: join(urls, 'provisioner.reader-url'),
    },
    (output) => output.includes('"msg":"ready"'),
    ['--max-semi-space-size=2', '--heap-growing-percent=10'], // as its start script and the chart have it
  );
  const connection = await connect({ servers: nats.url });
  atEnd(() => connection.close());
  const rpc = new RpcClient(connection);
  return {
    pid: program.pid,
    output: program.output,
    stop: program.stop,
    ask: (message, request, withinMs = 60_000) => rpc.call(message, request, { withinMs }),
    request: ({ userId, username }, name) =>
      rpc.call(provisionerMessages.RequestSandbox, { context: contextOf(userId), owner: { userId, username }, name }, { withinMs: 60_000 }),
  };
}

/** As the gateway makes it for a request of this user. */
export const contextOf = (userId) => ({
  commandId: newId('cmd'),
  at: new Date().toISOString(),
  actor: { type: 'user', id: userId },
  correlationId: 'bench',
});
