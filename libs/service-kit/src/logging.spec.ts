import { randomBytes } from 'node:crypto';
import { DomainError, formatApiKey } from '@sandlot/kernel';
import { createLogger, errorChain, nameCaller, NestLog, withRequestContext } from './index.js';

function capture() {
  const lines: string[] = [];
  const log = createLogger({ level: 'trace', destination: { write: (line: string) => void lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1)!) as Record<string, unknown> };
}

describe('a log line', () => {
  it('of a Nest logger has the fields that it was given', () => {
    const { log, last } = capture();
    new NestLog(log).warn('a run failed', { id: 'sbx_1', attempt: 2 }, 'reconcile sandbox');
    expect(last()).toMatchObject({ msg: 'a run failed', id: 'sbx_1', attempt: 2, component: 'reconcile sandbox' });
  });

  it('is one JSON object with a constant message and fields', () => {
    const { log, lines, last } = capture();
    withRequestContext({ service: 'auth', requestId: 'r1' }, () => {
      nameCaller('usr_1');
      log.info({ keyId: 'key_1' }, 'user created');
    });
    expect(lines).toHaveLength(1);
    expect(last()).toEqual({
      level: 'info',
      time: expect.stringMatching(/Z$/),
      service: 'auth',
      requestId: 'r1',
      userId: 'usr_1',
      keyId: 'key_1',
      msg: 'user created',
    });
  });

  it('never shows an API key, a credential or personal data', () => {
    const { log, lines } = capture();
    const canary = formatApiKey(randomBytes(32));
    const nest = new NestLog(log);
    log.info({ url: `/x?key=${canary}`, [canary]: canary, nested: [{ deep: `Bearer ${canary}` }] }, `key ${canary}`);
    log.child({ canary }).info('child');
    log.error({ err: new Error(`bad ${canary}`, { cause: new DomainError('CONFLICT', canary) }) }, 'failed');
    nest.error(new Error(canary), 'stack', 'Context');
    nest.warn(`text ${canary}`);
    log.info(
      { headers: { Authorization: 'Basic hunter2', cookie: 'sid=hunter2', 'x-api-key': 'hunter2', 'x-sandlot-identity': 'hunter2' } },
      'request',
    );
    log.info({ user: { email: 'alice@example.com', displayName: 'hunter2' } }, 'alice@example.com signed up');
    log.info({ url: 'postgres://app:hunter2@db.local/x' }, 'connecting');
    const text = lines.join('');
    expect(lines).toHaveLength(8);
    for (const line of lines) expect(() => JSON.parse(line) as unknown).not.toThrow();
    for (const forbidden of [canary, canary.slice(4), 'hunter2', 'alice@']) expect(text).not.toContain(forbidden);
  });

  it('tells an error with its causes, and no stack for what is no mistake of ours', () => {
    const { log, last } = capture();
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    log.warn({ err: new Error('cannot open the log', { cause: refused }) }, 'failed');
    expect(last().err).toEqual({
      type: 'Error',
      message: 'cannot open the log',
      cause: { type: 'Error', message: 'connect ECONNREFUSED', code: 'ECONNREFUSED' },
    });
    log.error({ err: new TypeError('x is undefined') }, 'failed');
    expect(last().err).toMatchObject({ type: 'TypeError', stack: expect.stringContaining('logging.spec') });
    expect(errorChain(new Error('cannot open the log', { cause: refused }))).toBe('cannot open the log: connect ECONNREFUSED');
  });
});
