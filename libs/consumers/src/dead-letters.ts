import { headers, type MsgHdrs } from '@nats-io/transport-node';
import { JetStreamError, type JetStreamClient, type JetStreamManager, type StoredMsg } from '@nats-io/jetstream';
import { DEAD_STREAM, deadSubject, type DeadLetterView } from '@sandlot/contracts';

const reasonHeader = 'Sandlot-Dead-Reason';
const attemptsHeader = 'Sandlot-Dead-Attempts';
const subjectHeader = 'Sandlot-Dead-Subject';
const positionHeader = 'Sandlot-Dead-Position';
const durableHeader = 'Sandlot-Dead-Durable';

/** What a consumer gave up on: the message as it stands in the log, and how often it was tried. */
export interface GivenUp {
  readonly durable: string;
  readonly subject: string;
  readonly position: number;
  readonly attempts: number;
  readonly headers: MsgHdrs | undefined;
  readonly body: Uint8Array;
}

/** The stream DEAD: one message for each event that a consumer gave up on, with the event's own body and headers. */
export class DeadLetters {
  constructor(
    private readonly client: JetStreamClient,
    private readonly manager: JetStreamManager,
  ) {}

  /**
   * Returns when the letter is stored. An event that is given up once makes one letter, also when a crash comes between the letter and its
   * settlement; an event that an operator has had delivered from anew, with attempts from 1, makes another.
   */
  async put(givenUp: GivenUp, reason: string): Promise<void> {
    for (let id = `dead-${givenUp.durable}-${givenUp.position}`; ;) {
      const letter = letterHeaders(givenUp, reason);
      const { duplicate, seq } = await this.client.publish(deadSubject(givenUp.durable), givenUp.body, { headers: letter, msgID: id });
      if (!duplicate) return;
      const earlier = await this.get(seq);
      if (earlier && attemptsOf(earlier) < givenUp.attempts) return;
      id = `dead-${givenUp.durable}-${givenUp.position}-after-${seq}`;
    }
  }

  async get(id: number): Promise<StoredMsg | null> {
    return this.manager.streams.getMessage(DEAD_STREAM, { seq: id });
  }

  /** Up to `limit` letters of one consumer behind the id `after`, oldest first, without those in `except`. */
  async list(
    durable: string,
    { after, limit, except }: { after: number; limit: number; except: ReadonlySet<number> },
  ): Promise<StoredMsg[]> {
    const letters: StoredMsg[] = [];
    for (let from = after + 1; letters.length < limit;) {
      const page = await this.page(durable, from);
      if (page.length === 0) break;
      letters.push(...page.filter(({ seq }) => !except.has(seq)));
      from = page.at(-1)!.seq + 1;
    }
    return letters.slice(0, limit);
  }

  /** How many letters each consumer has ever had. */
  async count(): Promise<ReadonlyMap<string, number>> {
    const { state } = await this.manager.streams.info(DEAD_STREAM, { subjects_filter: deadSubject('*') });
    return new Map(Object.entries(state.subjects ?? {}).map(([subject, count]) => [subject.slice(deadSubject('').length), count]));
  }

  private async page(durable: string, from: number): Promise<StoredMsg[]> {
    const page: StoredMsg[] = [];
    const found = await this.manager.direct.getBatch(DEAD_STREAM, { seq: from, next_by_subj: deadSubject(durable), batch: 256 });
    try {
      for await (const letter of found) page.push(letter);
    } catch (error) {
      if (!(error instanceof JetStreamError && 'code' in error && error.code === 404)) throw error; // there are none from there on
    }
    return page;
  }
}

/** The durable and the position in the log that a letter is about. */
export function addressOf(letter: StoredMsg): { durable: string; position: number } {
  return { durable: letter.header.get(durableHeader), position: Number(letter.header.get(positionHeader)) };
}

function attemptsOf(letter: StoredMsg): number {
  return Number(letter.header.get(attemptsHeader));
}

export function viewOf(letter: StoredMsg, service: string): DeadLetterView {
  const { durable, position } = addressOf(letter);
  return {
    id: letter.seq,
    service,
    consumer: durable,
    reason: letter.header.get(reasonHeader),
    attempts: attemptsOf(letter),
    subject: letter.header.get(subjectHeader),
    position,
    type: letter.header.get('ce-type').replace(/^dev\.sandlot\./, '') || null,
    at: letter.time.toISOString(),
  };
}

function letterHeaders(givenUp: GivenUp, reason: string): MsgHdrs {
  const letter = headers();
  for (const [name, values] of givenUp.headers ?? []) {
    if (/^nats-/i.test(name)) continue; // orders to the broker: an expected sequence, a batch; they were about the log
    for (const value of values) letter.append(name, value);
  }
  letter.set(
    reasonHeader,
    reason
      .replace(/\p{Cc}+/gu, ' ')
      .slice(0, 1_000)
      .trim() || 'no reason given',
  );
  letter.set(attemptsHeader, String(givenUp.attempts));
  letter.set(subjectHeader, givenUp.subject);
  letter.set(positionHeader, String(givenUp.position));
  letter.set(durableHeader, givenUp.durable);
  return letter;
}
