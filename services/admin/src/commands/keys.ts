import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import type { Rewrapped } from '@sandlot/contracts';
import { loadMasterKeys } from '@sandlot/event-store';
import { dataKeysByMaster } from '../backup/master-keys.js';
import { Failure } from '../failure.js';
import { addMasterKey } from '../keys/key-file.js';
import { withNats } from '../nats.js';
import type { Session } from '../session.js';
import type { Act } from './act.js';

export function keysCommand(act: Act): Command {
  const command = new Command('keys').description('the master keys of personal data, by their ids; docs/how-to/rotate-keys.md');
  command.command('list').description('which there are, and how many data keys each of them holds').action(act(list));
  command
    .command('new')
    .description('put a new master key on top of the file; the old ones stay below it until nothing needs them')
    .option('-y, --yes', 'really')
    .action(
      act(async (session, _, { yes }: { yes?: boolean }) => {
        const file = keyFileOf(session);
        if (!yes) throw new Failure('usage', `this changes ${file}`, { hint: 'Repeat it with --yes, and back the file up afterwards.' });
        session.output.value({ keyFile: file, masterKey: await addMasterKey(file) });
      }),
    );
  command
    .command('rotate')
    .description("put every user's data key under the newest master key, while everything runs; broken off, it goes on where it was")
    .option('--limit <users>', 'users at a time, at most 2,000', batchSize, 500)
    .action(act((session, _, { limit }: { limit: number }) => rotate(session, limit)));
  return command;
}

async function list(session: Session): Promise<void> {
  const held = await withNats('backup', session.settings, dataKeysByMaster);
  const file = fileHere(session);
  const inFile = file === undefined ? undefined : (await loadMasterKeys(file)).map(({ id }) => id);
  const ids = [...new Set([...(inFile ?? []), ...held.keys()])];
  session.output.list(
    ids.map((id) => ({
      masterKey: id,
      dataKeys: held.get(id) ?? 0,
      newest: inFile === undefined ? null : id === inFile[0],
      inFile: inFile === undefined ? null : inFile.includes(id),
    })),
    ['masterKey', 'dataKeys', 'newest', 'inFile'],
  );
  const lost = inFile && [...held.keys()].filter((id) => !inFile.includes(id));
  if (lost && lost.length > 0)
    throw new Failure('failed', `the master key ${lost.join(', ')} is not in ${file}, and personal data under it cannot be read`, {
      hint: 'Put its line back.',
    });
}

async function rotate(session: Session, limit: number): Promise<void> {
  const api = await session.api();
  let [looked, rewrapped, masterKey] = [0, 0, ''];
  for (let after: string | null | undefined; after !== null;) {
    const batch: Rewrapped = await api.post('/api/v1/admin/master-key/rewrap', { limit, ...(after && { after }) });
    looked += batch.looked;
    rewrapped += batch.rewrapped;
    ({ masterKey, next: after } = batch);
    session.output.say(`${looked} users looked at, ${rewrapped} put under ${masterKey}`);
  }
  session.output.value({ masterKey, looked, rewrapped });
}

function keyFileOf(session: Session): string {
  return session.settings.SANDLOT_MASTER_KEY_PATH ?? join(session.settings.SANDLOT_DATA_DIR, 'master.key');
}

function fileHere(session: Session): string | undefined {
  const file = keyFileOf(session);
  return session.settings.SANDLOT_MASTER_KEY_PATH || existsSync(file) ? file : undefined;
}

function batchSize(text: string): number {
  const size = Number(text);
  if (!/^\d{1,4}$/.test(text) || size < 1 || size > 2_000) throw new Failure('usage', `${text} is not a number of users from 1 to 2000`);
  return size;
}
