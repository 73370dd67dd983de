import { DomainError, errorTable, type ErrorCode } from '@sandlot/kernel';
import { z } from 'zod';
import { httpStatus, problem, validationFailed } from './index.js';

const codes = Object.keys(errorTable) as ErrorCode[];

describe('a problem', () => {
  it.each(codes)('%s has a status, its own page, and says what to do', (code) => {
    const { status, headers, body } = problem(new DomainError(code, 'because'), { requestId: 'r1' });
    expect(status).toBe(httpStatus[code]);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(headers['content-type']).toBe('application/problem+json');
    expect(body).toMatchObject({
      type: `/problems/${code.toLowerCase().replaceAll('_', '-')}`,
      title: errorTable[code].title,
      status,
      detail: code === 'INTERNAL' ? expect.any(String) : 'because',
      instance: '/requests/r1',
      code,
      requestId: 'r1',
      retryable: errorTable[code].retryable,
      hint: errorTable[code].hint,
    });
    if (status === 401) expect(headers['www-authenticate']).toMatch(/^Bearer/);
    if (status === 503 || status === 429) expect(headers['retry-after']).toBe('1');
  });

  it('carries the details of the refusal, which cannot replace its members', () => {
    const { headers, body } = problem(
      new DomainError('SANDBOX_NOT_READY', 'it starts', { state: 'starting', status: 200, retryAfterSeconds: 2.5 }),
      {
        requestId: 'r1',
      },
    );
    expect(body).toMatchObject({ state: 'starting', status: 503 });
    expect(headers['retry-after']).toBe('3');
  });

  it('says nothing of an error that is no refusal', () => {
    const { body } = problem(new Error('password is hunter2', { cause: new Error('hunter2') }), { requestId: 'r1' });
    expect(body).toMatchObject({ status: 500, code: 'INTERNAL' });
    expect(JSON.stringify(body)).not.toContain('hunter2');
  });

  it('names each field at fault with a JSON Pointer', () => {
    const schema = z.strictObject({ name: z.string().max(3), ports: z.array(z.object({ 'a/b': z.int() })) });
    const { error } = schema.safeParse({ name: 'toolong', ports: [{ 'a/b': 'x' }], extra: 1 });
    expect(validationFailed(error!.issues, 'body').details.errors).toEqual([
      { pointer: '/name', in: 'body', code: 'TOO_BIG', detail: expect.stringContaining('3') },
      { pointer: '/ports/0/a~1b', in: 'body', code: 'INVALID_TYPE', detail: 'must be a number' },
      { pointer: '/extra', in: 'body', code: 'UNRECOGNIZED_KEY', detail: expect.any(String) },
    ]);
    const missing = validationFailed(schema.safeParse({}).error!.issues);
    expect(missing.message).toBe('name: is required; ports: is required');
    const wrong = z
      .object({ limit: z.coerce.number(), count: z.int(), list: z.array(z.string()) })
      .safeParse({ limit: 'abc', count: 1.5, list: 1 });
    expect(validationFailed(wrong.error!.issues).message).toBe(
      'limit: must be a number; count: must be an integer; list: must be an array',
    );
  });
});
