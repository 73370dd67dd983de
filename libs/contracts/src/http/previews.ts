import { z } from 'zod';
import { PreviewIdSchema, Timestamp } from '../names.js';

const port = z.union([
  z.int().min(1).max(65_535),
  z.string().regex(/^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$/, 'must be a port’s number or name'),
]);

export const OpenPreviewBody = z
  .strictObject({
    port: port.optional().describe('a declared port, by number or name; the first without it'),
    ttlSeconds: z.int().min(60).max(604_800).default(3600).describe('how long it lasts; at most a week'),
    public: z.boolean().default(false).describe('lets everybody in who knows the address; otherwise the link is needed, once per browser'),
  })
  .meta({ id: 'OpenPreview' });

/** What is known of a preview where nobody knows the domain of previews. */
export const PreviewFacts = z.object({
  id: PreviewIdSchema,
  port: z.int(),
  public: z.boolean(),
  openedAt: Timestamp,
  expiresAt: Timestamp,
});
export type PreviewFacts = z.infer<typeof PreviewFacts>;

export const Preview = PreviewFacts.extend({
  address: z.string().describe('where it is; without the link, only API keys get in, unless it is public'),
}).meta({ id: 'Preview' });
export type Preview = z.infer<typeof Preview>;

export const OpenedPreview = Preview.extend({ url: z.string().describe('the link for browsers, shown only here') }).meta({
  id: 'OpenedPreview',
});
export const PreviewList = z.object({ items: z.array(Preview) }).meta({ id: 'PreviewList' });
