/**
 * Handles the same event twice, as at-least-once delivery will. Returns what both runs gave; the test compares the world before and after
 * the second one with `between`, which is called in the middle.
 */
export async function runTwice<Event, Result>(
  handler: (event: Event) => Promise<Result> | Result,
  event: Event,
  between: (first: Result) => Promise<unknown> | unknown = () => undefined,
): Promise<[first: Result, second: Result]> {
  const first = await handler(structuredClone(event));
  await between(first);
  return [first, await handler(structuredClone(event))];
}
