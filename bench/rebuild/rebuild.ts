/**
 * How fast read models come back: a log of 1,000,000 events is read into an empty database, then rebuilt beside the live tables. With the
 * real nats-server (every write on disk before it is acknowledged) and PostgreSQL, each event parsed, validated, and checked by version and
 * hash. Usage: `node bench/rebuild/rebuild.ts [events] [result.json]`, after `npm run build`.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { startPostgres } from '@sandlot/embedded';
import { JetStreamEventStore } from '@sandlot/event-store';
import { migrate, ProjectionRunner, writerPool, type ProjectionStatus } from '@sandlot/projections';
import { atEnd, cleanUp, startTestNats, tempDir } from '@sandlot/testing';
import { accounts, migrations } from './accounts.ts';

const total = Number(process.argv[2] ?? 1_000_000);
const resultFile = process.argv[3];
const target = 50_000;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const residentMB = (): number => Math.round(process.memoryUsage().rss / 2 ** 20);

interface Measured {
  seconds: number;
  eventsPerSecond: number;
  /** Of this process, at each tenth of the way, in MB. */
  residentMB: number[];
  cpuMicrosecondsPerEvent: number;
}

async function measure(position: () => number, done: () => boolean): Promise<Measured> {
  const resident: number[] = [];
  const began = performance.now();
  const cpu = process.cpuUsage();
  while (!done()) {
    await pause(20);
    if (position() >= ((resident.length + 1) * total) / 10 && resident.length < 10) resident.push(residentMB());
  }
  const seconds = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    seconds: Math.round(seconds * 100) / 100,
    eventsPerSecond: Math.round(total / seconds),
    residentMB: resident,
    cpuMicrosecondsPerEvent: Math.round(((user + system) / total) * 10) / 10,
  };
}

async function run(): Promise<void> {
  const nats = await startTestNats();
  const postgres = await startPostgres({ dataDir: join(await tempDir(), 'postgres') });
  atEnd(() => postgres.kill());
  const connection = await connect({ servers: nats.url });
  atEnd(() => connection.close());
  const began = performance.now();
  await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'seed.ts'), nats.url, String(total)]);
  const seedSeconds = Math.round((performance.now() - began) / 1_000);

  const store = await JetStreamEventStore.open(connection);
  const { writerUrl } = await migrate({ service: 'provisioner', ownerUrl: postgres.url, migrations });
  const pool = writerPool('provisioner', writerUrl);
  atEnd(() => pool.end());
  const runner = new ProjectionRunner({ service: 'provisioner', connection, pool, store, models: [accounts] });
  atEnd(() => runner.stop());
  const status = (): ProjectionStatus => runner.status()[0]!;
  runner.start();
  const fromNothing = await measure(
    () => status().position,
    () => status().position >= total,
  );
  process.stderr.write(`from nothing ${JSON.stringify(fromNothing)}\n`);

  const checksum = async (): Promise<unknown> => {
    const sql = `select count(*)::int as rows, md5(string_agg(s::text, '|' order by id)) as md5 from provisioner.sandboxes s`;
    return (await pool.query(sql)).rows[0];
  };
  const before = await checksum();
  await runner.rebuild('accounts', 'benchmark');
  while (!status().rebuild) await pause(5);
  const rebuild = await measure(
    () => status().rebuild?.position ?? total,
    () => !status().rebuild && status().live === 'green',
  );
  const after = await checksum();

  const result = {
    what: 'read models from the log',
    at: new Date().toISOString(),
    machine: { cpu: cpus()[0]!.model, cores: cpus().length, memoryGB: Math.round(totalmem() / 2 ** 30), node: process.version },
    events: total,
    targetEventsPerSecond: target,
    seedSeconds,
    fromNothing,
    rebuild,
    equalToBefore: JSON.stringify(before) === JSON.stringify(after),
    ...(before as object),
  };
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  if (resultFile) await writeFile(resultFile, `${JSON.stringify(result, undefined, 2)}\n`);
}

try {
  await run();
} finally {
  await cleanUp();
}
