export interface ReceivedEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  readonly retry?: string;
  readonly comment?: string;
}

/** The blocks of a text/event-stream as they come. */
export async function* eventsOf(response: Response): AsyncGenerator<ReceivedEvent> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield Object.fromEntries(text.slice(0, end).split('\n').map(field)) as ReceivedEvent;
      text = text.slice(end + 2);
    }
  }
}

function field(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [colon === 0 ? 'comment' : line.slice(0, colon), line.slice(colon + 1).trimStart()];
}

/** The next so many. */
export async function take<T>(source: AsyncGenerator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const next = await source.next();
    if (next.done) return taken;
    taken.push(next.value);
  }
  return taken;
}
