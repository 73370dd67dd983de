import { Command } from 'commander';
import { loadMasterKeys } from '@sandlot/event-store';
import { settingInfo } from '@sandlot/service-kit';
import { Client } from 'pg';
import { adminConfig } from '../config.js';
import { Failure } from '../failure.js';
import { withNats } from '../nats.js';
import type { Session } from '../session.js';
import type { Act } from './act.js';

interface Check {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Each throws when something is missing, and otherwise says what it has found; undefined where there is nothing to look at. */
const checks: Readonly<Record<string, (session: Session) => Promise<string | undefined>>> = {
  nats: ({ settings }) =>
    withNats('backup', settings, async ({ info }) => {
      const [major = 0, minor = 0] = (info?.version ?? '').split('.').map(Number);
      if (major < 2 || (major === 2 && minor < 15)) throw new Error(`it is version ${info?.version}; 2.15 or newer is needed`);
      if (!info?.jetstream) throw new Error('it has no JetStream; its configuration needs a section jetstream');
      return `version ${info.version} with JetStream`;
    }),
  database: async ({ settings: { SANDLOT_DATABASE_URL: connectionString } }) => {
    if (!connectionString) return undefined;
    const client = new Client({ connectionString, connectionTimeoutMillis: 5_000 });
    await client.connect();
    try {
      const { rows } = await client.query<{ version: string; may: boolean }>(
        `select current_setting('server_version') as version, has_database_privilege(current_database(), 'create') as may`,
      );
      if (!rows[0]!.may) throw new Error('this role may not make schemas in it; give the owner');
      return `version ${rows[0]!.version}`;
    } finally {
      await client.end();
    }
  },
  'master-key': async ({ settings: { SANDLOT_MASTER_KEY_PATH: file } }) =>
    file && `${(await loadMasterKeys(file)).map(({ id }) => id).join(', ')}, readable by its owner alone`,
  api: async (session) => {
    const api = await session.api();
    await api.get('/api/v1/me');
    return `${api.url} lets this key in`;
  },
};

export function preflightCommand(act: Act): Command {
  return new Command('preflight')
    .description('whether NATS, the database, the keys and the API are there and fit, as far as the settings name them')
    .action(
      act(async (session) => {
        const found: Check[] = [];
        for (const [check, look] of Object.entries(checks)) {
          const result = await look(session).then(
            (detail) => ({ ok: true, detail: detail ?? 'not named here' }),
            (error: Error) => ({ ok: false, detail: error.message }),
          );
          found.push({ check, ...result });
        }
        session.output.list(found, ['check', 'ok', 'detail']);
        if (found.some(({ ok }) => !ok)) throw new Failure('failed', 'not everything is ready');
      }),
    );
}

export function configCommand(act: Act): Command {
  return new Command('config').description('the settings that this program sees: value and source, secrets hidden').action(
    act(async (session) => {
      const settings = Object.entries(session.settings).map(([name, value]) => {
        const { secret } = settingInfo(adminConfig.schema.shape[name as keyof typeof adminConfig.schema.shape]);
        return {
          name,
          value: secret && value !== undefined ? '(hidden)' : String(value),
          source: session.sources[name as never] as string,
        };
      });
      session.output.list(settings, ['name', 'value', 'source']);
    }),
  );
}
