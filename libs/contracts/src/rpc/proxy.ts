import { z } from 'zod';
import { LimitsInForce } from '../http/limits.js';
import { RoutingExplanation, RoutingQuery } from '../http/routing.js';
import { UserIdSchema } from '../names.js';
import { defineQuery } from './message.js';

/** Any of the proxies answers. Nothing is dialled, woken, counted or recorded. */
export const ExplainRouting = defineQuery(
  'svc.proxy.routing.explain',
  z.object({ ...RoutingQuery.omit({ user: true }).shape, userId: UserIdSchema }),
  RoutingExplanation,
);

/** Any of the proxies answers, for all have the same settings. USER_NOT_FOUND where they know no such user. */
export const GetLimitsInForce = defineQuery('svc.proxy.limits.get', z.object({ userId: UserIdSchema }), LimitsInForce);
