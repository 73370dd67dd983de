import { z } from 'zod';

const State = z.strictObject({
  messages: z.int(),
  bytes: z.int(),
  firstPosition: z.int(),
  lastPosition: z.int(),
  consumers: z.int(),
});

/** What a backup consists of. Written last: without it there is no backup. */
export const Manifest = z.strictObject({
  format: z.literal(1),
  id: z.string().regex(/^\d{8}T\d{6}Z$/),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  version: z.string().describe('of Sandlot'),
  natsServer: z.string(),
  /** Whether the log was read to its end here and every hash fitted. */
  log: z.strictObject({ upTo: z.int(), checked: z.boolean() }),
  /** Ids of the master keys without which personal data in it cannot be read; never the keys. */
  masterKeys: z.array(z.string()),
  streams: z.array(
    z.strictObject({
      name: z.string(),
      config: z.looseObject({ name: z.string() }),
      state: State,
      parts: z.array(z.strictObject({ name: z.string(), bytes: z.int(), sha256: z.string() })),
    }),
  ),
});
export type Manifest = z.output<typeof Manifest>;
export type BackedUpStream = Manifest['streams'][number];

export const manifestName = (id: string): string => `${id}/manifest.json`;
export const idOf = (at: Date): string => at.toISOString().replace(/[-:]|\.\d{3}/g, '');

/** Throws when it is not one that this version reads. */
export function parseManifest(text: string, place: string): Manifest {
  const json: unknown = JSON.parse(text);
  const format = (json as { format?: unknown }).format;
  if (format !== 1)
    throw new Error(`${place} has format ${String(format)}; this version reads format 1: use the version that wrote it, or newer`);
  return Manifest.parse(json);
}
