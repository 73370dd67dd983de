import { ApiError } from '@sandlot/testbed';

/**
 * What a stand-in does about a refusal: nothing when somebody else was quicker, or the API server went away at the end of a test. Anything
 * else is a fault of the stand-in, which a test would only see as something that never comes.
 */
export function unlessGone(error: unknown): void {
  if (error instanceof ApiError && ![404, 409].includes(error.status)) console.error(error);
}
