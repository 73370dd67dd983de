import type { NatsConnection } from '@nats-io/transport-node';
import {
  KEYS_BUCKET,
  keyRecordKey,
  ROUTES_BUCKET,
  routeKey,
  userRecordKey,
  usernameRecordKey,
  type ApiKeyPage,
  type AuditPage,
  type UserPage,
} from '@sandlot/contracts';
import { natsNeeds } from '@sandlot/embedded';
import { verifiedLog, type RecordedEvent } from '@sandlot/event-store';
import { waitFor } from '@sandlot/testing';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import type { Client } from '../../testing/http-client.js';
import type { Platform } from '../../testing/platform.js';
import { succeeded } from '../../testing/problems.js';
import { processesOf } from '../../testing/processes-of.js';
import { sandboxRows } from './database.js';
import { LogModel } from './log-model.js';
import { natsAs, readBucket, readLog } from './log-reader.js';
import { wrongWith, type Operation } from './operation.js';
import { describe } from './workload.js';

export interface CheckOptions {
  /** Where sandboxes leave folders behind by which they can be counted. */
  readonly runtime: 'process' | 'memory';
  /** How long the platform may take to converge after the last fault, in ms. Default 45,000. */
  readonly convergesWithinMs?: number;
  /** Of a NATS that is not the platform's own. */
  readonly natsUrl?: string;
}

/**
 * Once all faults are over: that everything has settled as the log wants it, that the log holds what was acknowledged, once and whole, and
 * that every answer and every record elsewhere is what the log folds to. Throws with all that it finds.
 */
export async function checkPlatform(platform: Platform, operations: readonly Operation[], options: CheckOptions): Promise<LogModel> {
  const audit = await natsAs('audit', platform.dataDir, options.natsUrl);
  const proxy = await natsAs('proxy', platform.dataDir, options.natsUrl);
  try {
    await quiet(platform.admin, audit, options.convergesWithinMs ?? 120_000);
    const verdict = await verifiedLog(audit);
    const events = await readLog(audit);
    const model = new LogModel(events);
    const findings = [
      ...(verdict.ok ? [] : [`the log is damaged at ${verdict.at}: ${verdict.problem}`]),
      ...model.findings,
      ...inTheLog(operations, events),
      ...(await asWanted(model, platform, options.runtime)),
      ...(await inBuckets(model, proxy)),
      ...(await inAnswers(model, events, platform)),
    ];
    if (findings.length > 0) throw new Error(`${findings.length} findings:\n${findings.slice(0, 15).join('\n')}`);
    return model;
  } finally {
    await Promise.all([audit.close(), proxy.close()]);
  }
}

interface Standing {
  projections: { name: string; status: string; reason: string | null; lagEvents: number | null; position: number }[];
  consumers: { name: string; pending: number; unacknowledged: number; deadLetters: number }[];
}

const durables = Object.values(natsNeeds).flatMap((needs) => needs.durables ?? []);

/** Waits until nothing moves: no sandbox on its way, every event handled by every consumer, every projection at the end of the log. */
async function quiet(admin: Client, connection: NatsConnection, within: number): Promise<void> {
  const look = async () => {
    const before = (await readLog(connection)).length;
    const { projections, consumers } = await standing(admin);
    const moving = new LogModel(await readLog(connection));
    const busy = [...moving.sandboxes].filter(([, sandbox]) => !isSettled(sandbox));
    const waiting = consumers.filter(({ pending, unacknowledged, deadLetters }) => pending + unacknowledged + deadLetters > 0);
    const behind = projections.filter(({ status, position }) => status !== 'running' || position < before);
    return { busy, waiting, behind, complete: projections.length === 4 && consumers.length === durables.length };
  };
  const still = ({ busy, waiting, behind, complete }: Awaited<ReturnType<typeof look>>) =>
    complete && busy.length + waiting.length + behind.length === 0;
  await waitFor(look, { within, every: 250, describe: 'the platform to settle' }, still);
}

async function standing(admin: Client): Promise<Standing> {
  const projections = succeeded(await admin.get('/api/v1/admin/projections'), 200).json<{ items: Standing['projections'] }>().items;
  const consumers = succeeded(await admin.get('/api/v1/admin/consumers'), 200).json<{ items: Standing['consumers'] }>().items;
  return { projections, consumers };
}

const restsAs = { running: 'running', paused: 'stopped', gone: 'gone' } as const;
const isSettled = ({ wanted, seen }: { wanted: keyof typeof restsAs; seen: string }): boolean => seen === restsAs[wanted];

function inTheLog(operations: readonly Operation[], events: readonly RecordedEvent[]): string[] {
  const byTrace = Map.groupBy(
    events.filter(({ actor, traceparent }) => actor.type !== 'service' && traceparent !== undefined),
    ({ traceparent }) => traceparent!.split('-')[1]!,
  );
  return operations.flatMap((operation) => {
    const wrong = wrongWith(operation, byTrace.get(operation.trace) ?? []);
    return wrong ? [`${describe(operation)} ${wrong}`] : [];
  });
}

async function asWanted(model: LogModel, platform: Platform, runtime: 'process' | 'memory'): Promise<string[]> {
  const findings: string[] = [];
  for (const [id, { owner, wanted }] of model.sandboxes)
    if (wanted !== 'gone' && model.users.get(owner)?.status === 'deleted') findings.push(`${id} outlives its deleted owner ${owner}`);
  for (const [id, status] of model.namespaces)
    if (status !== (model.users.get(id)?.status === 'deleted' ? 'deleted' : 'live')) findings.push(`the namespace of ${id} is ${status}`);
  if (runtime === 'memory') return findings;
  return [...findings, ...(await onThisMachine(model, join(platform.dataDir, 'sandboxes')))];
}

/** A folder for every sandbox that is not gone, and processes for those that are to run. */
async function onThisMachine(model: LogModel, root: string): Promise<string[]> {
  const found = new Map<string, string>();
  for (const folder of await readdir(root, { recursive: true })) {
    const id = /^user-[^/]+\/(sbx_[^/]+)$/.exec(folder)?.[1];
    if (id) found.set(id, (await processesOf(join(root, folder))).length > 0 ? 'running' : 'paused');
  }
  const wanted = new Map([...model.sandboxes].flatMap(([id, sandbox]) => (sandbox.wanted === 'gone' ? [] : [[id, sandbox.wanted]])));
  return compare('runtime', found, wanted);
}

async function inBuckets(model: LogModel, connection: NatsConnection): Promise<string[]> {
  const keys = await readBucket(connection, KEYS_BUCKET);
  const routes = await readBucket(connection, ROUTES_BUCKET);
  const wantedKeys = new Map<string, unknown>();
  for (const [keyId, { hash, userId, status }] of model.keys) wantedKeys.set(keyRecordKey(hash), { keyId, userId, status });
  for (const [userId, { username, role, status }] of model.users) {
    const limits = model.limits.get(userId);
    wantedKeys.set(userRecordKey(userId), { userId, username, role, status, ...(limits && { limits }) });
    wantedKeys.set(usernameRecordKey(username), { userId });
  }
  const foundKeys = new Map([...keys].map(([key, { expiresAt: _, ...record }]) => [key, record]));
  const live = [...model.sandboxes].filter(([, { wanted }]) => wanted !== 'gone');
  const wantedRoutes = new Map(
    live.map(([sandboxId, { username, name, wanted }]) => [routeKey(username, name), { sandboxId, state: wanted }]),
  );
  const foundRoutes = new Map([...routes].map(([key, { sandboxId, state }]) => [key, { sandboxId, state }]));
  return [...compare('bucket keys', foundKeys, wantedKeys), ...compare('bucket routes', foundRoutes, wantedRoutes)];
}

async function inAnswers(model: LogModel, events: readonly RecordedEvent[], { admin, dataDir }: Platform): Promise<string[]> {
  const users = new Map<string, unknown>();
  for (const status of ['active', 'disabled', 'deleted'])
    for (const { id, username, role, version } of await pages<typeof UserPage>(admin, `/api/v1/admin/users?status=${status}`))
      users.set(id, { username, role, status, version });
  const keys = new Map<string, unknown>();
  for (const owner of model.users.keys())
    for (const { id, userId, name, status, version } of await pages<typeof ApiKeyPage>(admin, `/api/v1/admin/users/${owner}/apikeys`))
      keys.set(id, { userId, name, status, version });
  const wantedKeys = new Map([...model.keys].map(([id, { hash: _, ...key }]) => [id, key]));
  const sandboxes = new Map(
    [...model.sandboxes].map(([id, { owner, name, wanted, version }]) => [
      id,
      { owner, name, phase: wanted === 'gone' ? 'deleted' : wanted, version },
    ]),
  );
  const trail = (await pages<typeof AuditPage>(admin, '/api/v1/audit-logs?order=asc')).filter(({ position }) => position !== null);
  return [
    ...compare('users', users, model.users),
    ...compare('keys', keys, wantedKeys),
    ...compare('sandboxes', await sandboxRows(dataDir), sandboxes),
    ...(trail.length === events.length ? [] : [`the trail has ${trail.length} entries for ${events.length} events`]),
    ...compare(
      'trail',
      new Map(trail.map(({ position, id }) => [String(position), id])),
      new Map(events.map(({ position, id }) => [String(position), id])),
    ),
  ];
}

async function pages<Page extends z.ZodType<{ items: unknown[]; nextCursor: string | null }>>(client: Client, path: string) {
  const items: z.output<Page>['items'] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const more: string = cursor && `&cursor=${encodeURIComponent(cursor)}`;
    const page = succeeded(await client.get(`${path}${path.includes('?') ? '&' : '?'}limit=200${more}`), 200).json<z.output<Page>>();
    items.push(...page.items);
    cursor = page.nextCursor;
  }
  return items as z.output<Page>['items'];
}

function compare(what: string, found: ReadonlyMap<string, unknown>, wanted: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...found.keys(), ...wanted.keys()])].flatMap((key) => {
    const [is, ought] = [found.get(key), wanted.get(key)].map(canonical);
    return is === ought ? [] : [`${what}: ${key} is ${is ?? 'missing'}, and by the log ${ought ?? 'nothing'}`];
  });
}

function canonical(value: unknown): string | undefined {
  if (value === undefined || typeof value !== 'object' || value === null) return value === undefined ? undefined : JSON.stringify(value);
  return JSON.stringify(Object.fromEntries(Object.entries(value).sort(([a], [b]) => a.localeCompare(b))));
}
