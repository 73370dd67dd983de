export interface Page {
  readonly items: readonly unknown[];
  readonly nextCursor: string | null;
}

/** How many of a list an export asks for at a time. */
export const exportPageSize = 200;

/**
 * A list as JSON Lines, a page at a time: the next is asked for when the one before has been taken. The first is there before this
 * returns, so what cannot be exported at all is refused and not cut off.
 */
export async function jsonLines(
  pageAt: (cursor: string | undefined) => Promise<Page>,
  cursor: string | undefined,
): Promise<AsyncGenerator<string>> {
  const first = await pageAt(cursor);
  return (async function* () {
    for (let page = first; ; page = await pageAt(page.nextCursor)) {
      if (page.items.length > 0) yield page.items.map((item) => `${JSON.stringify(item)}\n`).join('');
      if (page.nextCursor === null) return;
    }
  })();
}

const accepted = /^application\/(jsonl|x-ndjson|x-jsonlines)\b/i;

/** Whether an Accept field asks for it. */
export const wantsJsonLines = (accept: string | undefined): boolean => accepted.test(accept ?? '');
