import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';

// What the proxies were told of Sandbox objects that somebody else made: on `sandlot.provisioner.discovery.<user>_<name>`, one for each
// address. Whether such a sandbox is ready, and where its pod is, is observed and no fact of the log.

/** Requests for `/<user>/<name>/` go to this very object from now on, as long as the user has no own sandbox of that name. */
export const DiscoveryPublished = defineEvent(
  'discovery.published.v1',
  z.object({
    username: z.string().describe('its label `user`, or `default`'),
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    shared: z.boolean().describe('every user may reach it'),
  }),
);
export const DiscoveryWithdrawn = defineEvent(
  'discovery.withdrawn.v1',
  z.object({ reason: z.string().describe('GONE, or why it is not routed') }),
);

export type DiscoveryEvent = EventOf<typeof DiscoveryPublished> | EventOf<typeof DiscoveryWithdrawn>;
