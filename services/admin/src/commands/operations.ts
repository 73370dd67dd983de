import { Command, InvalidArgumentError } from 'commander';
import type { ConsumerView, DeadLetterView, ProjectionView, UnansweredService } from '@sandlot/contracts';
import { Failure } from '../failure.js';
import type { Session } from '../session.js';
import type { Act } from './act.js';

interface ListOf<Item> {
  readonly items: readonly Item[];
  readonly unanswered: readonly UnansweredService[];
}
interface Reason {
  readonly reason: string;
}

const root = '/api/v1/admin';

export function projectionsCommand(act: Act): Command {
  const command = new Command('projections').description('the read models');
  command
    .command('list')
    .description('how far each is, and why it stands if it does')
    .action(act(async (session) => show(session, await listed<ProjectionView>(session, 'projections'), projectionColumns)));
  command
    .command('rebuild')
    .description('fill one anew beside the one that answers')
    .argument('[name]', 'service/name, as auth/users')
    .option('--halted', 'instead of one: all that have halted, as after a restore of the log')
    .requiredOption('--reason <text>', 'goes into the log')
    .action(
      act(async (session, [name], { reason, halted = false }: Reason & { halted?: boolean }) => {
        if (halted === (name !== undefined)) throw new Failure('usage', 'either a name is needed, as auth/users, or --halted');
        const names = name === undefined ? await haltedOnes(session) : [modelName(name)];
        const api = await session.api();
        for (const one of names) {
          await api.post(`${root}/projections/${one}/rebuild`, { reason });
          session.output.say(`${decodeURIComponent(one)} is being rebuilt`);
        }
        session.output.done({ rebuilding: names.map(decodeURIComponent) });
      }),
    );
  command
    .command('retry')
    .description('try again the event at which one stands')
    .argument('<name>')
    .action(act((session, [name]) => tell(session, `projections/${modelName(name!)}/retry`, { retried: name })));
  command
    .command('skip')
    .description('leave out the event at which one stands, for ever')
    .argument('<name>')
    .argument('<position>', 'where it stands', position)
    .requiredOption('--reason <text>', 'goes into the log')
    .action(
      act((session, [name, at], { reason }: Reason) =>
        tell(session, `projections/${modelName(name!)}/skip`, { skipped: Number(at), projection: name }, { position: Number(at), reason }),
      ),
    );
  return command;
}

export function consumersCommand(act: Act): Command {
  const command = new Command('consumers').description('the handlers of events');
  command
    .command('list')
    .description('how far each is, what waits, what was given up')
    .action(act(async (session) => show(session, await listed<ConsumerView>(session, 'consumers'), consumerColumns)));
  command
    .command('pause')
    .description('stop one until a time')
    .argument('<name>')
    .requiredOption('--until <time>', 'as 2026-11-30T08:00:00Z')
    .action(
      act((session, [name], { until }: { until: string }) =>
        tell(session, `consumers/${encode(name!)}/pause`, { paused: name, until }, { until }),
      ),
    );
  command
    .command('resume')
    .description('let one go on')
    .argument('<name>')
    .action(act((session, [name]) => tell(session, `consumers/${encode(name!)}/resume`, { resumed: name })));
  command
    .command('replay')
    .description('handle everything from a position on again, and say what that changed')
    .argument('<name>')
    .option('--from <position>', 'default: the beginning', position, '1')
    .action(
      act(async (session, [name], { from }: { from: string }) => {
        const api = await session.api();
        session.output.value(await api.post(`${root}/consumers/${encode(name!)}/replay`, { fromPosition: Number(from) }));
      }),
    );
  return command;
}

export function deadLettersCommand(act: Act): Command {
  const command = new Command('dead-letters').description('what handlers gave up on');
  command
    .command('list')
    .description('oldest first')
    .action(
      act(async (session) => {
        session.output.list(await (await session.api()).all<DeadLetterView>(`${root}/dead-letters`), letterColumns);
      }),
    );
  command
    .command('replay')
    .description('hand the event to its handler again')
    .argument('<service>')
    .argument('<id>')
    .action(
      act((session, [service, id]) => tell(session, `dead-letters/${encode(service!)}/${encode(id!)}/replay`, { replayed: id, service })),
    );
  command
    .command('discard')
    .description('give it up for good')
    .argument('<service>')
    .argument('<id>')
    .option('-y, --yes', 'really')
    .action(
      act(async (session, [service, id], { yes }: { yes?: boolean }) => {
        if (!yes) throw new Failure('usage', 'a discarded dead letter does not come back', { hint: 'Repeat it with --yes.' });
        await (await session.api()).delete(`${root}/dead-letters/${encode(service!)}/${encode(id!)}`);
        session.output.done({ discarded: id, service });
      }),
    );
  return command;
}

export const projectionColumns = ['service', 'name', 'status', 'position', 'lagEvents', 'message'] as const;
export const consumerColumns = ['service', 'name', 'position', 'pending', 'unacknowledged', 'deadLetters', 'pausedUntil'] as const;
const letterColumns = ['service', 'id', 'consumer', 'position', 'type', 'reason', 'at'] as const;

export async function listed<Item>(session: Session, what: string): Promise<ListOf<Item>> {
  return (await session.api()).get<ListOf<Item>>(`${root}/${what}`);
}

function show<Item extends object>(session: Session, { items, unanswered }: ListOf<Item>, columns: readonly (keyof Item & string)[]): void {
  session.output.list(items, columns);
  for (const { service, detail } of unanswered) session.output.say(`${service} does not answer: ${detail}`);
  if (unanswered.length > 0) throw new Failure('unreachable', 'the list is not complete');
}

async function tell(session: Session, path: string, done: Readonly<Record<string, unknown>>, body?: unknown): Promise<void> {
  await (await session.api()).post(`${root}/${path}`, body);
  session.output.done(done);
}

async function haltedOnes(session: Session): Promise<string[]> {
  const { items, unanswered } = await listed<ProjectionView>(session, 'projections');
  if (unanswered.length > 0) throw new Failure('unreachable', `${unanswered.map(({ service }) => service).join(', ')} does not answer`);
  // One that waits for its service to be updated needs no rebuild.
  const halted = items.filter(({ status, reason }) => status === 'halted' && reason !== 'NEWER_EVENT');
  return halted.map(({ service, name }) => `${encode(service)}/${encode(name)}`);
}

const encode = (text: string): string => encodeURIComponent(text);

function modelName(text: string): string {
  const [service, name, ...more] = text.split('/');
  if (!service || !name || more.length > 0) throw new Failure('usage', `${text} is not service/name, as auth/users`);
  return `${encode(service)}/${encode(name)}`;
}

function position(text: string): string {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('it must be a position of the log, from 1 on');
  return text;
}
