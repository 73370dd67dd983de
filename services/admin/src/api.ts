import { Failure, outcomeOf } from './failure.js';

const answerWithinMs = 60_000;

/** The API as an administrator has it. Throws a Failure with what the refusal says. */
export class Api {
  constructor(
    readonly url: string,
    private readonly key: string,
  ) {}

  get<Answer>(path: string): Promise<Answer> {
    return this.send<Answer>('GET', path);
  }

  post<Answer>(path: string, body?: unknown): Promise<Answer> {
    return this.send<Answer>('POST', path, body);
  }

  delete<Answer>(path: string): Promise<Answer> {
    return this.send<Answer>('DELETE', path);
  }

  /** Every item of a list, page by page. */
  async all<Item>(path: string): Promise<Item[]> {
    const items: Item[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const more: string = cursor && `&cursor=${encodeURIComponent(cursor)}`;
      const page = await this.get<{ items: Item[]; nextCursor?: string | null }>(
        `${path}${path.includes('?') ? '&' : '?'}limit=200${more}`,
      );
      items.push(...page.items);
      cursor = page.nextCursor ?? null;
    }
    return items;
  }

  private async send<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      signal: AbortSignal.timeout(answerWithinMs),
      headers: { authorization: `Bearer ${this.key}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((cause: Error) => {
      if (cause.name === 'TimeoutError')
        throw new Failure('timeout', `${this.url} did not answer within ${answerWithinMs / 1_000} s`, {}, { cause });
      throw new Failure(
        'unreachable',
        `nothing answers at ${this.url}`,
        { hint: 'Name the address with --url or SANDLOT_URL.' },
        { cause },
      );
    });
    const text = await response.text();
    if (response.ok) return (text ? JSON.parse(text) : undefined) as Answer;
    throw refusal(response.status, text);
  }
}

function refusal(status: number, text: string): Failure {
  try {
    const { detail, code, hint, requestId } = JSON.parse(text) as { detail: string; code: string; hint: string; requestId: string };
    return new Failure(outcomeOf(status), detail, { code, hint, requestId });
  } catch {
    return new Failure(outcomeOf(status), `the answer has status ${status} and is not one of Sandlot's`);
  }
}
