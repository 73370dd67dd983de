import { randomBytes } from 'node:crypto';
import { open, rename, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import type { ConsumerView, DeadLetterView, PlatformHealth, ProjectionView } from '@sandlot/contracts';
import { formatApiKey } from '@sandlot/kernel';
import { redactText, version } from '@sandlot/service-kit';
import { Failure } from '../failure.js';
import type { Session } from '../session.js';
import type { Act } from './act.js';
import { listed } from './operations.js';

export function statusCommand(act: Act): Command {
  return new Command('status').description('how the platform is, in a few lines').action(
    act(async (session) => {
      const { health, projections, consumers } = await overview(session);
      session.output.value({
        status: health.status,
        findings: health.items.map(({ code, subject }) => `${code} ${subject}`),
        events: Math.max(0, ...projections.map(({ head }) => head ?? 0)),
        readModels: `${projections.filter(({ status }) => status === 'running').length} of ${projections.length} run`,
        eventsWaiting: consumers.reduce((sum, { pending }) => sum + pending, 0),
        deadLetters: consumers.reduce((sum, { deadLetters }) => sum + deadLetters, 0),
        sandlotAdmin: version,
      });
    }),
  );
}

/** Ids and positions, no names, addresses, keys or personal data: those are not in what it asks for. */
export function supportBundleCommand(act: Act): Command {
  return new Command('support-bundle')
    .description('what somebody who helps needs to see, in one file, without keys and personal data')
    .argument('<file>', 'is made anew, and must not be there')
    .action(
      act(async (session, [file]) => {
        const deadLetters = await (await session.api()).all<DeadLetterView>('/api/v1/admin/dead-letters');
        const bundle = {
          at: new Date().toISOString(),
          sandlotAdmin: version,
          node: process.version,
          platform: `${process.platform}-${process.arch}`,
          ...(await overview(session)),
          // What a handler threw may quote anything.
          deadLetters: deadLetters.map(({ reason: _, ...letter }) => letter),
        };
        await writeFile(file!, `${redactText(JSON.stringify(bundle, undefined, 2))}\n`, { flag: 'wx', mode: 0o600 }).catch(
          (cause: NodeJS.ErrnoException) => {
            if (cause.code === 'EEXIST') throw new Failure('conflict', `${file} is there already`);
            throw cause;
          },
        );
        session.output.say(`wrote ${file}`);
        session.output.done({ file });
      }),
    );
}

export function resetCommand(act: Act): Command {
  return new Command('reset')
    .description(
      "a new key for the first administrator, into the file of the old one, which stays as <file>.old; the platform's next start lets it in",
    )
    .option('--dry-run', 'only say which file')
    .option('-y, --yes', 'really')
    .action(
      act(async (session, _, { dryRun, yes }: { dryRun?: boolean; yes?: boolean }) => {
        const file = session.keyFile;
        if (!dryRun && !yes) throw new Failure('usage', `this replaces the key in ${file}`, { hint: 'Repeat it with --yes.' });
        if (!dryRun) await replaceKey(file);
        session.output.value({ keyFile: file, replaced: !dryRun });
        session.output.say('restart the service auth (make up: everything), then revoke the old key: it lets in until then');
      }),
    );
}

async function replaceKey(file: string): Promise<void> {
  const made = `${file}.new`;
  const handle = await open(made, 'w', 0o600);
  try {
    await handle.writeFile(`${formatApiKey(randomBytes(32))}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(file, `${file}.old`).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(made, file);
}

async function overview(session: Session) {
  const api = await session.api();
  const [health, projections, consumers] = await Promise.all([
    api.get<PlatformHealth>('/api/v1/admin/health'),
    listed<ProjectionView>(session, 'projections'),
    listed<ConsumerView>(session, 'consumers'),
  ]);
  return { health, projections: projections.items, consumers: consumers.items };
}
