import { Command } from 'commander';
import type { RebuildPlan } from '@sandlot/contracts';
import { verifiedLog } from '@sandlot/event-store';
import type { z } from 'zod';
import type { ProjectionView } from '@sandlot/contracts';
import { compareWithFold, type Comparison } from '@sandlot/projections';
import { databaseOf } from '../database.js';
import { Failure } from '../failure.js';
import { withNats } from '../nats.js';
import { servicesWithTables } from '../services.js';
import type { Session } from '../session.js';
import type { Act } from './act.js';
import { listed } from './operations.js';

interface Finding {
  readonly check: 'log' | 'read-models' | 'runtime';
  /** Null where it could not be looked at. */
  readonly ok: boolean | null;
  readonly detail: string;
}

export function verifyCommand(act: Act): Command {
  return new Command('verify')
    .description('whether the log is whole, the read models are what a fold of it gives, and the runtime is as the log wants it')
    .option('--only <check>', 'log, read-models or runtime')
    .action(
      act(async (session, _, { only }: { only?: string }) => {
        if (only !== undefined && !(only in checks)) throw new Failure('usage', `there is no check ${only}`);
        const findings: Finding[] = [];
        for (const [name, check] of Object.entries(checks)) if (only === undefined || only === name) findings.push(await check(session));
        session.output.list(findings, ['check', 'ok', 'detail']);
        if (findings.some(({ ok }) => ok === false)) throw new Failure('failed', 'not everything is as it must be');
      }),
    );
}

/** The log folded anew beside what queries see, where the database can be reached. */
async function foldsOf(session: Session, running: number): Promise<Finding> {
  const databaseUrl = await databaseOf(session.settings);
  if (databaseUrl === undefined) {
    const detail = `${running} run and are at the end of the log; not compared with a fold of it, because SANDLOT_DATABASE_URL is not set`;
    return { check: 'read-models', ok: null, detail };
  }
  const compared: Comparison[] = [];
  await withNats('backup', session.settings, async (connection) => {
    for (const { service, readModels } of await servicesWithTables())
      for (const model of readModels) {
        compared.push(await compareWithFold({ service, model, connection, databaseUrl }));
        session.output.say(`${service}/${model.name} is folded up to ${compared.at(-1)!.position}`);
      }
  });
  const wrong = compared.flatMap(({ service, model, position, differing }) =>
    differing.map(
      ({ table, missing, unexpected }) =>
        `${service}/${model} is not what the log says at ${position}: in ${table}, ${missing} rows are missing or other and ${unexpected} should not be so; projections rebuild ${service}/${model} makes it anew`,
    ),
  );
  const rows = compared.reduce((sum, { rows: count }) => sum + count, 0);
  const detail = `${running} run and are at the end of the log; all ${rows} rows are what a fold of it gives`;
  return { check: 'read-models', ok: wrong.length === 0, detail: wrong.length > 0 ? wrong.join('; ') : detail };
}

const checks: Readonly<Record<Finding['check'], (session: Session) => Promise<Finding>>> = {
  log: (session) =>
    withNats('backup', session.settings, async (connection) => {
      const verdict = await verifiedLog(connection);
      const detail = verdict.ok
        ? `${verdict.upTo} events, none missing, every hash fits`
        : `damaged at position ${verdict.at}: ${verdict.problem}; see docs/how-to/recover-the-log.md`;
      return { check: 'log', ok: verdict.ok, detail };
    }),
  'read-models': async (session) => {
    const { items, unanswered } = await listed<ProjectionView>(session, 'projections');
    const wrong = [
      ...unanswered.map(({ service }) => `${service} does not answer`),
      ...items
        .filter(({ status, lagEvents }) => status !== 'running' || lagEvents !== 0)
        .map(({ service, name, status, lagEvents }) => `${service}/${name} is ${status}, ${lagEvents ?? 'unknown'} events behind`),
    ];
    if (wrong.length > 0) return { check: 'read-models', ok: false, detail: wrong.join('; ') };
    return foldsOf(session, items.length);
  },
  runtime: async (session) => {
    const plan = await (await session.api()).post<z.output<typeof RebuildPlan>>('/api/v1/admin/rebuild', { dryRun: true });
    const missing = [...plan.namespaces, ...plan.sandboxes].map(({ name, outcome }) => `${name} ${outcome}`);
    const detail = missing.length > 0 ? missing.slice(0, 20).join('; ') : 'it has whatever the log wants, and no more';
    return { check: 'runtime', ok: missing.length === 0, detail };
  },
};
