import { Command } from 'commander';
import { ensureStreams, streamPlans } from '@sandlot/event-store';
import { migrate, migrationPlan, NewerDatabase } from '@sandlot/projections';
import { databaseOf } from '../database.js';
import { Failure } from '../failure.js';
import { withNats } from '../nats.js';
import { servicesWithTables } from '../services.js';
import type { Session } from '../session.js';
import type { Act } from './act.js';

interface Step {
  /** A service whose schema it is, or `nats`. */
  readonly of: string;
  readonly name: string;
  readonly kind: 'expand' | 'contract' | 'make' | 'change';
}

export function migrateCommand(act: Act): Command {
  const command = new Command('migrate').description(
    'streams, buckets, schemas and roles as this version wants them; services may run meanwhile',
  );
  command
    .command('plan')
    .description('what apply would do')
    .action(act(async (session) => session.output.list(await plan(session), ['of', 'name', 'kind'])));
  command.command('apply').description('do it, step by step; what is done already is not done again').action(act(apply));
  return command;
}

async function plan(session: Session): Promise<Step[]> {
  const ownerUrl = await ownerOf(session);
  const steps: Step[] = [];
  for (const { service, migrations } of await servicesWithTables()) {
    const { pending } = await refusals(() => migrationPlan({ service, ownerUrl, migrations }));
    steps.push(...pending.map(({ name, kind }) => ({ of: service, name, kind })));
  }
  const replicas = session.settings.SANDLOT_STREAM_REPLICAS;
  const streams = await withNats('migrator', session.settings, (connection) => streamPlans(connection, { replicas }));
  const changing = streams.filter(({ action }) => action !== 'none');
  return [...changing.map(({ name, action }) => ({ of: 'nats', name, kind: action as 'make' | 'change' })), ...steps];
}

async function apply(session: Session): Promise<void> {
  const done = await plan(session);
  const ownerUrl = await ownerOf(session);
  const replicas = session.settings.SANDLOT_STREAM_REPLICAS;
  const progress = (line: string) => session.output.say(line);
  await withNats('migrator', session.settings, (connection) => ensureStreams(connection, { replicas }));
  for (const { service, migrations } of await servicesWithTables())
    await refusals(() => migrate({ service, ownerUrl, migrations, progress }));
  session.output.list(done, ['of', 'name', 'kind']);
}

async function ownerOf({ settings }: Session): Promise<string> {
  const url = await databaseOf(settings);
  if (url !== undefined) return url;
  throw new Failure('usage', 'SANDLOT_DATABASE_URL is not set, and no PostgreSQL runs in the data folder', {
    hint: 'Name the database as its owner.',
  });
}

async function refusals<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NewerDatabase) throw new Failure('conflict', error.message);
    if (!['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    throw new Failure('unreachable', 'PostgreSQL does not answer', { hint: 'SANDLOT_DATABASE_URL says where.' }, { cause: error });
  }
}
