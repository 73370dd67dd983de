import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';
import { PreviewIdSchema, Timestamp } from '../names.js';

/** Somebody may be shown a port of the sandbox for a while: whoever has the link, or everybody. */
export const PreviewOpened = defineEvent(
  'preview.opened.v1',
  z.object({
    previewId: PreviewIdSchema,
    port: z.int(),
    public: z.boolean().describe('everybody who knows the address gets in, without a link'),
    openedAt: Timestamp,
    expiresAt: Timestamp,
  }),
);
export const PreviewRevoked = defineEvent('preview.revoked.v1', z.object({ previewId: PreviewIdSchema }));

export type PreviewEvent = EventOf<typeof PreviewOpened> | EventOf<typeof PreviewRevoked>;
