import { newId } from '@sandlot/kernel';
import type { Sandbox } from '../domain/sandbox/sandbox.js';
import type { Found } from '../ports.js';
import { planNamespace, planQuota, planSandbox, wantedRoute } from './plan.js';

const owner = newId('usr');
const id = newId('sbx');
const spec = { image: 'runtime:1', ports: [{ port: 8888 }] };
const named = { owner, username: 'alice', name: 's1', spec };
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
    [
      'makes what is not there',
      live('running'),
      { exists: false },
      { do: 'create', place: { ...named, namespace: 'user-alice' }, running: true },
    ],
    [
      'makes a paused one without starting it',
      live('paused'),
      { exists: false },
      { do: 'create', place: { ...named, namespace: 'user-alice' }, running: false },
    ],
    ['leaves alone what runs as wanted', live('running'), up, undefined],
    ['S0-31 starts what should run', live('running'), down, { do: 'start', uid: 'u' }],
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
    expect(planSandbox(live('running'), failed, 1000)).toEqual({ do: 'start', uid: 'u' });
  });
});

describe('the next step for a namespace', () => {
  const namespace = { status: 'live', owner, username: 'alice', name: 'user-alice' } as const;
  const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };
  const ours = { exists: true, uid: 'n', ours: true, quota } as const;
  const empty = { sandboxes: new Map() };

  it('makes it, and never touches one that is not ours', () => {
    expect(planNamespace(namespace, empty, { exists: false })).toEqual({ do: 'create', owner, username: 'alice' });
    expect(planNamespace(namespace, empty, ours)).toBeUndefined();
    expect(planNamespace({ ...namespace, status: 'deleting' }, empty, { ...ours, ours: false })).toBeUndefined();
    expect(planQuota(namespace, quota, { ...ours, ours: false, quota: undefined })).toBeUndefined();
  });

  it('deletes it only when no sandbox is left in it', () => {
    expect(planNamespace({ ...namespace, status: 'deleting' }, { sandboxes: new Map([[id, 's1']]) }, ours)).toBeUndefined();
    expect(planNamespace({ ...namespace, status: 'deleting' }, empty, ours)).toEqual({ do: 'delete', uid: 'n' });
  });

  it('S0-07 sets the quota where it is another one', () => {
    expect(planQuota(namespace, quota, ours)).toBeUndefined();
    expect(planQuota(namespace, { ...quota, cpu: '8' }, ours)).toEqual({ do: 'set-quota', uid: 'n', quota: { ...quota, cpu: '8' } });
  });
});

describe('the route of a sandbox', () => {
  it('says where to dial only while it runs and should', () => {
    const running = live('running', { phase: 'running', addresses });
    expect(wantedRoute(id, running)).toMatchObject({ state: 'running', ports: addresses });
    expect(wantedRoute(id, live('paused', { phase: 'running', addresses }))).toMatchObject({ state: 'pausing', ports: [] });
    expect(wantedRoute(id, live('paused', { phase: 'stopped' }))).toMatchObject({ state: 'paused', ports: [] });
  });

  it('is withdrawn once the sandbox is gone', () => {
    expect(wantedRoute(id, { status: 'deleted', ...named })).toBeUndefined();
    expect(wantedRoute(id, { status: 'deleting', ...named })).toMatchObject({ state: 'deleting', ports: [] });
  });
});
