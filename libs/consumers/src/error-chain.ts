import { z } from 'zod';

/** An error and what caused it, in one line of at most 1,000 characters. */
export function chainOf(error: unknown): string {
  const links: string[] = [];
  for (let link = error; link !== undefined && links.length < 8; link = link instanceof Error ? link.cause : undefined)
    links.push(say(link));
  return links.join(': ').replace(/\s+/g, ' ').slice(0, 1_000);
}

function say(error: unknown): string {
  if (error instanceof z.ZodError) return z.prettifyError(error);
  return error instanceof Error ? error.message || error.name : String(error);
}
