import { z } from 'zod';
import { Timestamp } from '../names.js';
import { pageOf, pageQuery } from './pagination.js';
import { IdleTimeout, OnIdle, Ttl } from './sandbox-limits.js';
import { sandboxSettings, settingsTogether } from './sandbox-settings.js';
import { Sandbox } from './sandboxes.js';

/** A session is a sandbox with a lifetime. It is named by its id. */
export const CreateSessionBody = z
  .strictObject({
    ttl: Ttl.default(3600).describe(`${Ttl.description}; default: 3600`),
    idleTimeout: IdleTimeout.optional().describe(`${IdleTimeout.description}; default: SANDLOT_IDLE_TIMEOUT`),
    onIdle: OnIdle.optional(),
    ...sandboxSettings,
  })
  .superRefine(settingsTogether)
  .meta({ id: 'CreateSession' });

export const ExtendSessionBody = z
  .strictObject({ ttl: Ttl.optional().describe('seconds from now, 60 to 28,800; default: the ttl that it has. It is never shortened') })
  .default({})
  .meta({ id: 'ExtendSession' });

export const Session = z
  .object({
    ...Sandbox.omit({ ttlSeconds: true, idleTimeoutSeconds: true }).shape,
    ttl: z.int().describe('seconds, as it was asked for last'),
    expiresAt: Timestamp,
    idleTimeout: z.int().optional().describe('seconds'),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof Session>;

export const SessionListQuery = z.object({ ...pageQuery, state: Sandbox.shape.state.optional() });
export const SessionPage = pageOf(Session, 'SessionPage');
