import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';
import { RouteRecord } from '../kv.js';

/** The proxies were told where the sandbox is. Holds what was written to the bucket `routes`. */
export const RoutePublished = defineEvent('route.published.v1', z.object({ route: RouteRecord }));
export const RouteWithdrawn = defineEvent('route.withdrawn.v1', z.object({}));

export type RouteEvent = EventOf<typeof RoutePublished> | EventOf<typeof RouteWithdrawn>;
