import { newId } from '@sandlot/kernel';
import type { Sandbox } from '../domain/sandbox/sandbox.js';
import type { Found, FoundNamespace } from '../ports.js';
import { obstacleInNamespace, planConcern, planNamespace, planSandbox, reportOf, reportOfNamespace, wantedRoute } from './plan.js';

const owner = newId('usr');
const id = newId('sbx');
const spec = { image: 'runtime:1', ports: [{ port: 8888 }] };
const named = { owner, username: 'alice', namespace: 'user-alice', name: 's1', spec };
const place = { ...named, namespace: 'user-alice' };
const live = (wanted: 'running' | 'paused', seen: Extract<Sandbox, { status: 'live' }>['seen'] = { phase: 'pending' }): Sandbox => ({
  status: 'live',
  ...named,
  wanted,
  seen,
});
const addresses = [{ port: 8888, address: '127.0.0.1:4000' }];
const up: Found = { exists: true, uid: 'u', running: true, seen: { phase: 'running', addresses } };
const down: Found = { exists: true, uid: 'u', running: false, seen: { phase: 'stopped' } };

describe('the next step for a sandbox', () => {
  it.each<[string, Sandbox, Found, unknown]>([
    ['makes what is not there', live('running'), { exists: false }, { do: 'create', place, running: true }],
    ['makes a paused one without starting it', live('paused'), { exists: false }, { do: 'create', place, running: false }],
    ['leaves alone what runs as wanted', live('running'), up, undefined],
    ['S0-31 starts what should run', live('running'), down, { do: 'start', uid: 'u', place }],
    ['S0-30 stops what should pause', live('paused'), up, { do: 'stop', uid: 'u' }],
    [
      'stops what has failed and should pause',
      live('paused'),
      { ...down, seen: { phase: 'failed', reason: 'X', message: 'x' } } as Found,
      { do: 'stop', uid: 'u' },
    ],
    ['leaves alone what is paused as wanted', live('paused'), down, undefined],
    ['S0-29 deletes what should go, running or not', { status: 'deleting', ...named }, up, { do: 'delete', uid: 'u' }],
    ['deletes what came back after it was deleted', { status: 'deleted', ...named }, down, { do: 'delete', uid: 'u' }],
    ['does not ask twice for a stop that takes its time', live('paused'), { ...up, running: false, underway: 'stop' }, undefined],
    ['starts again what is still stopping', live('running'), { ...down, underway: 'stop' }, { do: 'start', uid: 'u', place }],
    ['waits for the end of what somebody else deletes', live('running'), { ...down, underway: 'delete' }, undefined],
    [
      'makes again what has left its volume behind',
      live('running'),
      { exists: false, remains: { uid: 'v' } },
      { do: 'create', place, running: true },
    ],
    [
      'deletes what was left behind',
      { status: 'deleting', ...named },
      { exists: false, remains: { uid: 'v' } },
      { do: 'delete', uid: 'v' },
    ],
    ['does not ask twice for a deletion', { status: 'deleting', ...named }, { ...down, underway: 'delete' }, undefined],
    ['touches nothing that the log does not know', { status: 'absent' }, up, undefined],
  ])('%s', (_, sandbox, found, action) => expect(planSandbox(sandbox, found, 0)).toEqual(action));

  it('lets one that has just failed rest', () => {
    const failed: Found = {
      exists: true,
      uid: 'u',
      running: false,
      seen: { phase: 'failed', reason: 'X', message: 'x' },
      startableAt: 1000,
    };
    expect(planSandbox(live('running'), failed, 999)).toBeUndefined();
    expect(planSandbox(live('running'), failed, 1000)).toEqual({ do: 'start', uid: 'u', place });
  });
});

describe('what is told of a sandbox', () => {
  const remains = { exists: false, remains: { uid: 'v' } } as const;

  it('is deleted only when nothing of it is left, and lost as soon as it cannot be found', () => {
    expect(reportOf({ status: 'deleting', ...named }, remains)).toEqual({ phase: 'pending' });
    expect(reportOf({ status: 'deleting', ...named }, { exists: false })).toEqual({ phase: 'gone' });
    expect(reportOf(live('running'), remains)).toEqual({ phase: 'gone' });
  });

  it('is held up while it is deleted only by what holds up the deletion', () => {
    const obstacle = { reason: 'DELETION_HELD', message: 'by a finalizer' };
    const failed: Found = { ...up, seen: { phase: 'failed', reason: 'X', message: 'x' } };
    const report = (found: Found) => reportOf({ status: 'deleting', ...named }, found);
    expect(report(failed)).toEqual({ phase: 'pending' });
    expect(report({ ...failed, underway: 'delete', obstacle })).toEqual({ phase: 'failed', ...obstacle });
    expect(report({ exists: false, remains: { uid: 'v', underway: 'delete', obstacle } })).toEqual({ phase: 'failed', ...obstacle });
  });
});

describe('the next step for a namespace', () => {
  const namespace = { status: 'live', owner, username: 'alice', name: 'user-alice', applied: {}, failures: {} } as const;
  const ours = { exists: true, uid: 'n', ours: true } as const;
  const going = { reason: 'NAMESPACE_TERMINATING', message: 'it goes' };
  const stuck = { reason: 'NAMESPACE_STUCK', message: 'held by a finalizer' };
  const empty = { sandboxes: new Map() };

  it('makes it, and never touches one that is not ours', () => {
    expect(planNamespace(namespace, empty, { exists: false })).toEqual({ do: 'create', owner, username: 'alice' });
    expect(planNamespace(namespace, empty, ours)).toBeUndefined();
    expect(planNamespace({ ...namespace, status: 'deleting' }, empty, { ...ours, ours: false })).toBeUndefined();
  });

  it('deletes it only when no sandbox is left in it', () => {
    expect(planNamespace({ ...namespace, status: 'deleting' }, { sandboxes: new Map([[id, { name: 's1' }]]) }, ours)).toBeUndefined();
    expect(planNamespace({ ...namespace, status: 'deleting' }, empty, ours)).toEqual({ do: 'delete', uid: 'n' });
  });

  it('waits for one that is going, and leaves one that an operator keeps', () => {
    expect(planNamespace(namespace, empty, { ...ours, obstacle: going })).toBeUndefined();
    expect(planNamespace({ ...namespace, status: 'deleting' }, empty, { ...ours, obstacle: going })).toBeUndefined();
    expect(planNamespace({ ...namespace, status: 'deleting' }, empty, { ...ours, kept: true })).toBeUndefined();
    expect(planNamespace(namespace, empty, { exists: false, obstacle: going })).toBeUndefined();
  });

  it('is told as what it is', () => {
    const deleting = { ...namespace, status: 'deleting' } as const;
    const report = (...[state, found]: [typeof namespace | typeof deleting, FoundNamespace]) => reportOfNamespace(state, empty, found);
    expect(report(namespace, ours)).toEqual({ phase: 'present', uid: 'n' });
    expect(report(namespace, { ...ours, ours: false })).toMatchObject({ phase: 'failed', reason: 'NAMESPACE_NOT_OURS' });
    expect(report(namespace, { ...ours, obstacle: going })).toEqual({ phase: 'failed', ...going });
    expect(report(namespace, { exists: false, obstacle: stuck })).toEqual({ phase: 'failed', ...stuck });
    expect(report(deleting, { ...ours, obstacle: going })).toBeUndefined();
    expect(report(deleting, { ...ours, obstacle: stuck })).toEqual({ phase: 'failed', ...stuck });
    for (const found of [{ exists: false }, { ...ours, ours: false }, { ...ours, kept: true }] as const)
      expect(report(deleting, found)).toEqual({ phase: 'gone' });
  });
});

describe('the next step for a concern of a namespace', () => {
  const wanted = { concern: 'network-policy', egress: 'none' } as const;
  const known = { status: 'live', owner, username: 'alice', name: 'user-alice', uid: 'n', applied: {}, failures: {} } as const;
  const inPlace = { ...known, applied: { 'network-policy': wanted } };
  const drift = [{ object: 'NetworkPolicy/x', revision: 'u@1', missing: false, differences: [{ path: 'spec' }] }];

  it('is nothing where it is right, and to apply it where it is not', () => {
    expect(planConcern(wanted, known, { asWanted: true, drift: [] }, true)).toEqual({ do: 'nothing' });
    expect(planConcern(wanted, inPlace, { asWanted: false, drift: [] }, true)).toEqual({ do: 'apply', drift: [] });
  });

  it('calls drift only what was in place before, in this very namespace', () => {
    expect(planConcern(wanted, inPlace, { asWanted: false, drift }, true)).toEqual({ do: 'apply', drift });
    expect(planConcern(wanted, known, { asWanted: false, drift }, true)).toEqual({ do: 'apply', drift: [] });
    expect(planConcern(wanted, inPlace, { asWanted: false, drift }, false)).toEqual({ do: 'apply', drift: [] });
    expect(planConcern({ ...wanted, egress: 'internet' }, inPlace, { asWanted: false, drift }, true)).toEqual({ do: 'apply', drift: [] });
  });
});

describe('a sandbox that is to be made', () => {
  const both = ['network-policy', 'service-account'] as const;
  const namespace = { status: 'live', owner, username: 'alice', name: 'user-alice', uid: 'n', applied: {}, failures: {} } as const;
  const found = { exists: true, uid: 'n', ours: true } as const;
  const policy = { 'network-policy': { concern: 'network-policy', egress: 'none' } } as const;
  const account = { 'service-account': { concern: 'service-account', annotations: {} } } as const;

  it('S0-08 waits for the policy that isolates it and the account that it runs as', () => {
    expect(obstacleInNamespace(namespace, { exists: false }, both)).toBe('wait');
    expect(obstacleInNamespace(namespace, found, both)).toBe('wait');
    expect(obstacleInNamespace({ ...namespace, applied: policy }, found, both)).toBe('wait');
    expect(obstacleInNamespace({ ...namespace, applied: { ...policy, ...account } }, found, both)).toBeUndefined();
    expect(obstacleInNamespace({ ...namespace, applied: { ...policy, ...account } }, { ...found, uid: 'other' }, both)).toBe('wait');
    expect(obstacleInNamespace(namespace, found, [])).toBeUndefined();
  });

  it('says what is wrong with its namespace', () => {
    const failure = { reason: 'NOT_PERMITTED', message: 'forbidden' };
    expect(obstacleInNamespace({ ...namespace, failures: { 'network-policy': failure } }, found, both)).toEqual(failure);
    expect(obstacleInNamespace(namespace, { ...found, ours: false }, both)).toMatchObject({ reason: 'NAMESPACE_NOT_OURS' });
    expect(obstacleInNamespace(namespace, { ...found, obstacle: failure }, both)).toEqual(failure);
  });
});

describe('the route of a sandbox', () => {
  it('says where to dial only while it runs and should', () => {
    const running = live('running', { phase: 'running', addresses });
    expect(wantedRoute(id, running, 0)).toMatchObject({ state: 'running', ports: addresses });
    expect(wantedRoute(id, live('paused', { phase: 'running', addresses }), 0)).toMatchObject({ state: 'pausing', ports: [] });
    expect(wantedRoute(id, live('paused', { phase: 'stopped' }), 0)).toMatchObject({ state: 'paused', ports: [] });
  });

  it('says which of its ports speak HTTP/2, as they were declared', () => {
    const [first, second] = [{ port: 8888, address: 'host:8888' }, { name: 'api', port: 50051, address: 'host:50051' }]; // prettier-ignore
    const spec = {
      image: 'x',
      ports: [
        { port: 8888, protocol: 'http' as const },
        { name: 'api', port: 50051, protocol: 'h2c' as const },
      ],
    };
    const running = { ...live('running', { phase: 'running', addresses: [first, second] }), spec } as Sandbox;
    expect(wantedRoute(id, running, 0)?.ports).toEqual([first, { ...second, protocol: 'h2c' }]);
  });

  it('is withdrawn once the sandbox is gone', () => {
    expect(wantedRoute(id, { status: 'deleted', ...named }, 0)).toBeUndefined();
    expect(wantedRoute(id, { status: 'deleting', ...named }, 0)).toMatchObject({ state: 'deleting', ports: [] });
  });

  it('says for a day what ended a sandbox that one of its limits has ended', () => {
    const end = { reason: 'EXPIRED', at: '2026-01-31T12:00:00.000Z' } as const;
    const later = (hours: number) => Date.parse(end.at) + hours * 3_600_000;
    expect(wantedRoute(id, { status: 'deleting', ...named, end }, later(0))).toMatchObject({ state: 'deleting', reason: 'EXPIRED' });
    expect(wantedRoute(id, { status: 'deleted', ...named, end }, later(23))).toMatchObject({
      state: 'deleted',
      reason: 'EXPIRED',
      ports: [],
    });
    expect(wantedRoute(id, { status: 'deleted', ...named, end }, later(25))).toBeUndefined();
  });

  it('tells the proxies whose use they have to report', () => {
    const sleepy = { ...live('running'), idle: { timeoutSeconds: 60, then: 'pause' } } as Sandbox;
    expect(wantedRoute(id, sleepy, 0)).toMatchObject({ idleTimeoutSeconds: 60 });
    expect(wantedRoute(id, live('running'), 0)).not.toHaveProperty('idleTimeoutSeconds');
  });
});
