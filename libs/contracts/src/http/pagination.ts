import { z } from 'zod';

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('how many, 1 to 200'),
  cursor: z.string().max(512).optional().describe('`nextCursor` of the page before'),
};

/** One page by keyset: complete and free of repetitions while things come and go. */
export function pageOf<Item extends z.ZodType>(item: Item, id: string) {
  return z.object({ items: z.array(item), nextCursor: z.string().nullable() }).meta({ id });
}
