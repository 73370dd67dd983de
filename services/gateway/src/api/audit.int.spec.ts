import { auditMessages as audit, type AuditEntry } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { RpcClient, connectNats } from '@sandlot/service-kit';
import { atEnd, waitFor } from '@sandlot/testing';
import { followTrail } from '../audit/audit-stream.js';
import { eventsOf, take } from '../testing/event-stream.js';
import { admin, alice, GatewayUnderTest, startGateway } from '../testing/gateway-under-test.js';
import { anEntry } from '../testing/samples.js';

let gateway: GatewayUnderTest;
let trail: AuditEntry[];
let ended = false;
afterAll(() => {
  ended = true;
});
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
beforeEach(() => {
  gateway.reset();
  trail = [];
  gateway.audit.answers(audit.ListAuditEntries, ({ limit, cursor }) => {
    const from = Number(cursor ?? 0);
    const items = trail.slice(from, from + limit);
    return { items, nextCursor: from + limit < trail.length ? String(from + limit) : null };
  });
  gateway.audit.answers(audit.TailAuditEntries, async ({ cursor = String(trail.length), waitMs, limit }) => {
    if (!/^\d+$/.test(cursor)) throw new DomainError('INVALID_CURSOR', 'the cursor is not one of this trail');
    const from = Number(cursor);
    if (waitMs > 0) await waitFor(() => ended || trail.length > from, { within: waitMs }).catch(() => undefined);
    const items = trail.slice(from, from + limit).map((entry, index) => ({ cursor: String(from + index + 1), entry }));
    return { items, cursor: String(from + items.length) };
  });
});
const record = (count: number) => trail.push(...Array.from({ length: count }, (_, index) => anEntry(trail.length + index + 1)));

describe('the audit trail', () => {
  it.each(['/api/v1/audit-logs', '/api/v1/audit', '/api/audit-logs'])('is listed by the page, with filters, at %s', async (path) => {
    record(3);
    const answer = await gateway.send('GET', `${path}?actor=alice&action=sandbox.*&since=2026-01-01T00:00:00Z&limit=2&order=asc`, {
      as: admin,
    });
    expect(answer).toMatchObject({ status: 200, json: { items: [{ id: 'evt_1' }, { id: 'evt_2' }], nextCursor: '2' } });
    expect(gateway.audit.requests[0]!.request).toEqual({
      actor: 'alice',
      action: 'sandbox.*',
      since: '2026-01-01T00:00:00Z',
      limit: 2,
      order: 'asc',
    });
  });

  it('refuses filters that it does not know, rather than showing everything', async () => {
    expect(await gateway.send('GET', '/api/v1/audit-logs?actr=alice', { as: admin })).toMatchObject({
      status: 422,
      json: { errors: [{ pointer: '/actr', in: 'query' }] },
    });
  });

  it('is for administrators; everybody sees what they did themselves', async () => {
    record(1);
    for (const path of ['/api/v1/audit-logs', '/api/v1/audit-logs.jsonl', '/api/v1/audit-logs/stream'])
      expect(await gateway.send('GET', path, { as: alice })).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } });
    expect(await gateway.send('GET', '/api/v1/me/audit-logs', { as: alice })).toMatchObject({
      status: 200,
      json: { items: [{ id: 'evt_1' }] },
    });
    expect(gateway.audit.requests.map(({ request }) => request.actor)).toEqual([alice.userId]);
    expect((await gateway.send('GET', '/api/v1/me/audit-logs?actor=bob', { as: alice })).status).toBe(422);
  });
});

describe('the export', () => {
  it.each([
    ['/api/v1/audit-logs.jsonl', {}],
    ['/api/v1/audit-logs', { accept: 'application/jsonl' }],
  ])('%s %j gives the whole trail as JSON Lines', async (path, headers) => {
    record(450);
    const answer = await gateway.send('GET', `${path}?actor=alice`, { as: admin, headers: headers as Record<string, string> });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^application\/jsonl/);
    const lines = answer.text.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as AuditEntry).id)).toEqual(trail.map(({ id }) => id));
    expect(gateway.audit.requests.map(({ request }) => [request.actor, request.cursor])).toEqual([
      ['alice', undefined],
      ['alice', '200'],
      ['alice', '400'],
    ]);
  });

  it('asks for no more pages than are being read', async () => {
    const wide = anEntry(1, { data: { padding: 'x'.repeat(4_000) } });
    trail = Array.from({ length: 20_000 }, () => wide);
    const stop = new AbortController();
    const response = await gateway.open('GET', '/api/v1/audit-logs.jsonl', { as: admin, signal: stop.signal });
    const reader = response.body!.getReader();
    await reader.read();
    let before = -1;
    // Until the buffers between here and there are full.
    await waitFor(
      () => gateway.audit.requests.length,
      { every: 200 },
      (count) => {
        const still = count === before;
        before = count;
        return still;
      },
    );
    expect(gateway.audit.requests.length).toBeLessThan(50);
    stop.abort();
  });

  it('breaks off when a page cannot be had, so that half of it never looks whole', async () => {
    record(450);
    gateway.audit.answers(audit.ListAuditEntries, ({ limit, cursor }) => {
      if (cursor) throw new DomainError('UNAVAILABLE', 'the trail is away');
      return { items: trail.slice(0, limit), nextCursor: '200' };
    });
    await expect(gateway.send('GET', '/api/v1/audit-logs.jsonl', { as: admin })).rejects.toThrow();
  });

  it('is refused when it cannot begin', async () => {
    gateway.audit.answers(audit.ListAuditEntries, () => {
      throw new DomainError('UNAVAILABLE', 'the trail is away');
    });
    const answer = await gateway.send('GET', '/api/v1/audit-logs.jsonl', { as: admin });
    expect(answer).toMatchObject({ status: 503, json: { code: 'UNAVAILABLE' } });
  });
});

describe('the live stream', () => {
  const open = (headers: Record<string, string> = {}, query = '') => {
    const stop = new AbortController();
    atEnd(() => stop.abort());
    return gateway.open('GET', `/api/v1/audit-logs/stream${query}`, { as: admin, headers, signal: stop.signal });
  };

  it('says how to come back and that it is live, and then what happens', async () => {
    record(2);
    const response = await open({}, '?actor=alice');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    const events = eventsOf(response);
    expect(await take(events, 2)).toEqual([{ retry: '3000' }, { id: '2', event: 'caught-up', data: '{}' }]);
    record(1);
    expect(await take(events, 1)).toEqual([{ id: '3', event: 'sandbox.pause-requested', data: JSON.stringify(trail[2]) }]);
    expect(gateway.audit.requestsTo(audit.TailAuditEntries)[0]).toMatchObject({ filters: { actor: 'alice' } });
  });

  it.each([
    ['Last-Event-ID', { 'last-event-id': '1' }, ''],
    ['?after=', {}, '?after=1'],
  ])('resumes behind %s, and catches up before it is live', async (_, headers, query) => {
    record(250);
    const events = eventsOf(await open(headers as Record<string, string>, query));
    const received = await take(events, 251);
    expect(received.slice(1, 250).map(({ id }) => id)).toEqual(Array.from({ length: 249 }, (__, index) => String(index + 2)));
    expect(received[250]).toEqual({ id: '250', event: 'caught-up', data: '{}' });
  });

  it('is refused for a cursor that is none', async () => {
    const response = await open({ 'last-event-id': 'x' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'INVALID_CURSOR' });
  });

  it('goes on where it was when the audit service is back', async () => {
    record(1);
    const events = eventsOf(await open({ 'last-event-id': '0' }));
    await take(events, 3);
    await gateway.audit.leave();
    record(1);
    await gateway.audit.start();
    let [next] = await take(events, 1);
    while (next?.comment) [next] = await take(events, 1);
    expect(next).toMatchObject({ id: '2', event: 'sandbox.pause-requested' });
  });

  it('has a heartbeat', async () => {
    const connection = await connectNats(await gateway.natsConfigOf('gateway'), 'gateway');
    atEnd(() => connection.close());
    const { signal } = new AbortController();
    const stream = await followTrail(new RpcClient(connection), { filters: {}, cursor: undefined, signal, heartbeatMs: 30 });
    expect(await take(stream, 4)).toEqual([
      'retry: 3000\n\n',
      'id: 0\nevent: caught-up\ndata: {}\n\n',
      ': heartbeat\n\n',
      ': heartbeat\n\n',
    ]);
  });

  it('ends when the client goes: nobody asks any more', async () => {
    const stop = new AbortController();
    const response = await gateway.open('GET', '/api/v1/audit-logs/stream', { as: admin, signal: stop.signal });
    await take(eventsOf(response), 1);
    await waitFor(() => gateway.audit.requests.length === 2);
    stop.abort();
    const asksAgain = () => {
      const before = gateway.audit.requests.length;
      record(1); // is followed by another question for as long as the gateway has not noticed
      return waitFor(() => gateway.audit.requests.length > before, { within: 500 }).then(
        () => true,
        () => false,
      );
    };
    await waitFor(asksAgain, { describe: 'the questions to end' }, (again) => !again);
  });

  it('ends when the service stops, and does not hold that up', async () => {
    const other = await startGateway(await gateway.natsConfigOf('gateway'));
    const there = Object.create(gateway, { url: { value: other.url } }) as GatewayUnderTest;
    const events = eventsOf(await there.open('GET', '/api/v1/audit-logs/stream', { as: admin }));
    await take(events, 2);
    const closing = other.close();
    expect(await events.next()).toMatchObject({ done: true }); // broken off when the grace is over, it would fail
    await closing;
  });
});
