import { connect } from '@nats-io/transport-node';
import { newId, type CommandContext, type Fact, type UserId } from '@sandlot/kernel';
import {
  aggregateRef,
  SandboxDeletionRequested,
  SandboxDeleted,
  SandboxPauseRequested,
  SandboxRequested,
  SandboxResumeRequested,
} from '@sandlot/contracts';
import { SandboxStarted, SandboxStopped, UserCreated, UsernameReserved, UserProfileChanged, type AggregateRef } from '@sandlot/contracts';
import { ensureStreams, JetStreamEventStore, nothing, type EventStore, type Revision, type Write } from '@sandlot/event-store';

/** One aggregate's life, written event by event between those of the others. */
interface Life {
  readonly ref: AggregateRef;
  readonly facts: readonly Fact[];
  next: number;
  revision: Revision;
}

const writesPerAppend = 100;
const inFlight = 4;

/**
 * Appends `total` events as a platform of a year's age would have them: a fiftieth users with their names, the rest sandboxes that are
 * paused and resumed; 50 aggregates to 1,000 events, a tenth of them alive at any time. Repeatable for a seed, but for the ids' times.
 */
export async function seed(store: EventStore, total: number, report: (done: number) => unknown = () => undefined): Promise<void> {
  const share = Math.ceil(total / inFlight);
  let done = 0;
  const writer = async (index: number): Promise<void> => {
    const random = mulberry32(index + 1);
    const lives = endlessLives(index);
    const alive: Life[] = [];
    for (let written = 0; written < share;) {
      while (alive.length < 1_000) alive.push(lives.next().value);
      const chosen = new Set<Life>();
      while (chosen.size < Math.min(writesPerAppend, share - written)) chosen.add(alive[Math.floor(random() * alive.length)]!);
      const writes = [...chosen].map((life): Write => ({ aggregate: life.ref, expected: life.revision, facts: [life.facts[life.next]!] }));
      const appended = await store.append(context(), writes);
      if (appended.outcome !== 'appended') throw new Error(`the seed was not appended: ${appended.outcome}`);
      [...chosen].forEach((life, i) => {
        life.revision = appended.revisions[i]!;
        life.next += 1;
        if (life.next === life.facts.length) alive.splice(alive.indexOf(life), 1);
      });
      written += chosen.size;
      report((done += chosen.size));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, index) => writer(index)));
}

function* endlessLives(writer: number): Generator<Life, never> {
  const life = (ref: AggregateRef, facts: Fact[]): Life => ({ ref, facts, next: 0, revision: nothing });
  for (let count = 0; ; count += 1) {
    const userId = newId('usr');
    const username = `user-${writer}-${count}`;
    const personal = { email: `s1.${'e'.repeat(48)}`, displayName: `s1.${'d'.repeat(48)}` };
    yield life(aggregateRef('username', username), [UsernameReserved({ userId })]);
    yield life(aggregateRef('user', userId), [UserCreated({ username, role: 'user', personal }), UserProfileChanged({ personal })]);
    for (let sandbox = 0; sandbox < 3; sandbox += 1)
      yield life(aggregateRef('sandbox', newId('sbx')), sandboxLife(userId, username, `s${sandbox}`));
  }
}

function sandboxLife(owner: UserId, username: string, name: string): Fact[] {
  const started = SandboxStarted({ addresses: [{ port: 8888, address: '10.0.0.1:8888' }] });
  const nights = Array.from({ length: 12 }, () => [
    SandboxPauseRequested({ cause: 'idle' }),
    SandboxStopped({}),
    SandboxResumeRequested({}),
    started,
  ]).flat();
  return [
    SandboxRequested({ owner, username, name, spec: { image: 'sandlot/runtime:1', ports: [{ port: 8888 }] } }),
    started,
    ...nights,
    SandboxDeletionRequested({ cause: 'user' }),
    SandboxDeleted({}),
  ];
}

function context(): CommandContext {
  return { commandId: newId('cmd'), at: new Date().toISOString(), actor: { type: 'user', id: newId('usr') }, correlationId: newId('cmd') };
}

/** A small repeatable generator (Tommy Ettinger, public domain). */
function mulberry32(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

// As a process of its own, so that what it leaves in memory is not the reader's: `node seed.ts <NATS URL> <events>`.
if (import.meta.main) {
  const connection = await connect({ servers: process.argv[2]! });
  await ensureStreams(connection);
  const store = await JetStreamEventStore.open(connection);
  await seed(store, Number(process.argv[3]), (done) => done % 100_000 === 0 && process.stderr.write(`seeded ${done}\n`));
  await connection.close();
}
