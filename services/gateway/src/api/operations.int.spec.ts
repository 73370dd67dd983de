import { operatedServices, operationsOf, type ConsumerView, type DeadLetterView, type ProjectionView } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { admin, GatewayUnderTest } from '../testing/gateway-under-test.js';

const at = '2026-01-31T12:00:00.000Z';
const projection = (service: string): ProjectionView => ({
  name: 'users',
  service,
  status: 'running',
  reason: null,
  message: null,
  position: 9,
  head: 9,
  lagEvents: 0,
  rebuild: null,
});
const consumer = (service: string): ConsumerView => ({
  name: `${service}-quota`,
  service,
  position: 9,
  pending: 0,
  unacknowledged: 0,
  redelivered: 0,
  pausedUntil: null,
  deadLetters: 0,
});
const letter = (service: string, id: number): DeadLetterView => ({
  id,
  service,
  consumer: `${service}-quota`,
  reason: 'no',
  attempts: 3,
  subject: 'sandlot.provisioner.sandbox.sbx_1',
  position: 4,
  type: null,
  at,
});
const quota = operationsOf('provisioner');

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
beforeEach(() => {
  gateway.reset();
  for (const service of operatedServices) {
    gateway[service].answers(operationsOf(service).listProjections, () => [projection(service)]);
    gateway[service].answers(operationsOf(service).listConsumers, () => [consumer(service)]);
  }
});

describe('what operators see', () => {
  it.each(['projections', 'consumers'])('lists the %s of every service', async (what) => {
    const answer = await gateway.send('GET', `/api/v1/admin/${what}`, { as: admin });
    expect(answer.status).toBe(200);
    expect(answer.json.items.map(({ service }: { service: string }) => service)).toEqual(['auth', 'provisioner', 'audit']);
    expect(answer.json.unanswered).toEqual([]);
  });

  it('says what is wrong, with a code and what to do', async () => {
    gateway.audit.answers(operationsOf('audit').listConsumers, () => [{ ...consumer('audit'), deadLetters: 2 }]);
    const { status, json } = await gateway.send('GET', '/api/v1/admin/health', { as: admin });
    expect([status, json.status]).toEqual([200, 'warning']);
    expect(json.items).toEqual([
      expect.objectContaining({ code: 'SL-CONS-01', severity: 'warning', subject: 'audit-quota', since: expect.any(String) }),
    ]);
  });

  it.each(['projections', 'consumers'])('names a service that does not answer, and lists the %s of the others', async (what) => {
    await gateway.audit.leave();
    try {
      const answer = await gateway.send('GET', `/api/v1/admin/${what}`, { as: admin });
      expect(answer).toMatchObject({ status: 200, json: { unanswered: [{ service: 'audit', code: 'UNAVAILABLE' }] } });
      expect(answer.json.items).toHaveLength(2);
    } finally {
      await gateway.audit.start();
    }
  });

  it('lists dead letters of all services in one order, page after page', async () => {
    const ids = { auth: [2, 5], provisioner: [1, 3, 4], audit: [] };
    for (const service of operatedServices)
      gateway[service].answers(operationsOf(service).listDeadLetters, ({ after = 0, limit }) =>
        ids[service]
          .filter((id) => id > after)
          .slice(0, limit)
          .map((id) => letter(service, id)),
      );
    const seen: number[] = [];
    for (let cursor = ''; ;) {
      const { json } = await gateway.send('GET', `/api/v1/admin/dead-letters?limit=2${cursor}`, { as: admin });
      seen.push(...json.items.map(({ id }: DeadLetterView) => id));
      if (json.nextCursor === null) break;
      cursor = `&cursor=${json.nextCursor}`;
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    const bad = await gateway.send('GET', '/api/v1/admin/dead-letters?cursor=x', { as: admin });
    expect(bad).toMatchObject({ status: 400, json: { code: 'INVALID_CURSOR' } });
  });
});

describe('what operators do', () => {
  const report = { reconciled: 4, changed: [], failed: [] };
  const {
    rebuildProjection,
    retryProjection,
    skipPosition,
    pauseConsumer,
    resumeConsumer,
    replayConsumer,
    replayDeadLetter,
    discardDeadLetter,
  } = quota;
  beforeEach(() => {
    for (const message of [
      rebuildProjection,
      retryProjection,
      skipPosition,
      pauseConsumer,
      resumeConsumer,
      replayDeadLetter,
      discardDeadLetter,
    ])
      gateway.provisioner.answers(message, () => ({}));
    gateway.provisioner.answers(replayConsumer, () => report);
  });

  it.each([
    ['POST', 'projections/provisioner/users/rebuild', { reason: 'why not' }, 202, rebuildProjection, { name: 'users', reason: 'why not' }],
    ['POST', 'projections/provisioner/users/retry', undefined, 204, retryProjection, { name: 'users' }],
    [
      'POST',
      'projections/provisioner/users/skip',
      { position: 4, reason: 'x' },
      204,
      skipPosition,
      { name: 'users', position: 4, reason: 'x' },
    ],
    ['POST', 'consumers/provisioner-quota/pause', { until: at }, 204, pauseConsumer, { name: 'provisioner-quota', until: at }],
    ['POST', 'consumers/provisioner-quota/resume', undefined, 204, resumeConsumer, { name: 'provisioner-quota' }],
    [
      'POST',
      'consumers/provisioner-quota/replay',
      { fromPosition: 1 },
      200,
      replayConsumer,
      { name: 'provisioner-quota', from: { fromPosition: 1 } },
    ],
    ['POST', 'dead-letters/provisioner/7/replay', undefined, 204, replayDeadLetter, { id: 7 }],
    ['DELETE', 'dead-letters/provisioner/7', undefined, 204, discardDeadLetter, { id: 7 }],
  ] as const)('%s %s reaches the service, with who wants it', async (method, path, body, status, message, request) => {
    const answer = await gateway.send(method, `/api/v1/admin/${path}`, { as: admin, body });
    expect(answer.status).toBe(status);
    expect(gateway.provisioner.requestsTo(message)).toEqual([
      { context: expect.objectContaining({ actor: expect.objectContaining({ id: admin.userId }) }), ...request },
    ]);
    if (status === 200) expect(answer.json).toEqual(report);
  });

  it.each([
    ['projections/nobody/users/retry', 'PROJECTION_NOT_FOUND'],
    ['projections/__proto__/users/retry', 'PROJECTION_NOT_FOUND'],
    ['consumers/nobody-quota/resume', 'CONSUMER_NOT_FOUND'],
    ['dead-letters/nobody/7/replay', 'DEAD_LETTER_NOT_FOUND'],
    ['dead-letters/auth/x/replay', 'DEAD_LETTER_NOT_FOUND'],
  ])('%s is 404', async (path, code) => {
    expect(await gateway.send('POST', `/api/v1/admin/${path}`, { as: admin })).toMatchObject({ status: 404, json: { code } });
  });

  it.each([
    ['projections/auth/users/rebuild', {}, '/reason'],
    ['projections/auth/users/skip', { reason: 'x' }, '/position'],
    ['consumers/provisioner-quota/pause', { until: 'later' }, '/until'],
    ['consumers/provisioner-quota/replay', {}, ''],
    ['consumers/provisioner-quota/replay', { fromPosition: 1, fromTime: at }, ''],
  ])('%s %j is 422', async (path, body, pointer) => {
    const answer = await gateway.send('POST', `/api/v1/admin/${path}`, { as: admin, body });
    expect(answer).toMatchObject({ status: 422, json: { errors: [{ pointer }] } });
  });

  it('passes on what the service refuses', async () => {
    gateway.provisioner.answers(retryProjection, () => {
      throw new DomainError('PROJECTION_NOT_FOUND', 'there is no such projection');
    });
    const answer = await gateway.send('POST', '/api/v1/admin/projections/provisioner/nothing/retry', { as: admin });
    expect(answer).toMatchObject({ status: 404, json: { code: 'PROJECTION_NOT_FOUND' } });
  });
});
