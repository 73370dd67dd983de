import { httpStatus } from '@sandlot/service-kit';
import type { ErrorCode } from '@sandlot/kernel';
import type { Reply } from './http-client.js';

export interface ProblemReply {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly requestId: string;
  readonly [member: string]: unknown;
}

const inside = [
  /\n\s+at .+:\d+:\d+/,
  /<html|<!doctype/i,
  /node_modules/,
  /\/(?:work|home|root|tmp|usr|var)\//,
  /postgres(?:ql)?:\/\//i,
  /slk_[0-9A-Za-z]{10}/,
];

/** That an answer is the refusal of this code, whole and well-formed, and tells nothing of our insides. Returns its body. */
export function refused(reply: Reply, code: ErrorCode): ProblemReply {
  const problem = anyProblem(reply);
  expect({ status: reply.status, code: problem.code }).toEqual({ status: httpStatus[code], code });
  return problem;
}

/** That an answer is a problem of some kind. */
export function anyProblem(reply: Reply): ProblemReply {
  const kind = reply.headers['content-type'] ?? 'none';
  if (!kind.startsWith('application/problem+json'))
    throw new Error(`expected a problem, got ${reply.status} ${kind}: ${reply.text.slice(0, 500)}`);
  const problem = reply.json<ProblemReply>();
  for (const pattern of inside) expect(reply.text).not.toMatch(pattern);
  expect(problem).toMatchObject({
    status: reply.status,
    type: expect.stringMatching(/^\/problems\/[a-z-]+$/),
    title: expect.any(String),
    detail: expect.any(String),
    code: expect.any(String),
    hint: expect.any(String),
    retryable: expect.any(Boolean),
    requestId: reply.headers['x-request-id'],
  });
  if (reply.status === 401) expect(reply.headers['www-authenticate']).toMatch(/^Bearer/);
  if (reply.status === 405) expect(reply.headers.allow).toMatch(/^[A-Z]+(, [A-Z]+)*$/);
  if (reply.status === 429 || reply.status === 503) expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
  return problem;
}

/** The answer itself, when it has this status; fails with what it says otherwise. */
export function succeeded(reply: Reply, status: number): Reply {
  if (reply.status !== status) throw new Error(`expected ${status}, got ${reply.status}: ${reply.text.slice(0, 800)}`);
  return reply;
}
