import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { DiscoveryService } from '@nestjs/core';
import { provisionerMessages as provisioner } from '@sandlot/contracts';
import { errorTable } from '@sandlot/kernel';
import { may, operationId, routesOf, type PermissionName } from '@sandlot/service-kit';
import { parse } from 'yaml';
import { admin, alice, GatewayUnderTest } from '../testing/gateway-under-test.js';

let gateway: GatewayUnderTest;
let document: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- an OpenAPI document is looked into at many depths
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
  document = (await gateway.send('GET', '/openapi.json')).json;
});

/** Every route and what it needs, written by hand: a route that is new or needs something else must be thought about here. */
const access: Record<string, PermissionName | 'public'> = {
  access_export: 'access:read',
  access_list: 'access:read',
  access_usage: 'usage:read',
  audit_export: 'audit:export',
  audit_list: 'audit:read',
  audit_stream: 'audit:read',
  consumers_list: 'operations:read',
  consumers_pause: 'operations:write',
  consumers_replay: 'operations:write',
  consumers_resume: 'operations:write',
  deadLetters_discard: 'operations:write',
  deadLetters_list: 'operations:read',
  deadLetters_replay: 'operations:write',
  docs_file: 'public',
  docs_page: 'public',
  docs_start: 'public',
  health_get: 'public',
  limits_get: 'user-limits:read',
  limits_set: 'user-limits:write',
  masterKeys_rewrap: 'operations:write',
  me_createKey: 'apikey:create',
  me_get: 'me:read',
  me_listKeys: 'apikey:read',
  me_quota: 'quota:read',
  me_limits: 'quota:read',
  me_renameKey: 'apikey:update',
  me_revokeKey: 'apikey:revoke',
  me_trail: 'me:read',
  namespaces_adopt: 'namespace:adopt',
  namespaces_get: 'namespace:read',
  openapi_json: 'public',
  openapi_yaml: 'public',
  previews_list: 'preview:read',
  previews_open: 'preview:open',
  previews_revoke: 'preview:revoke',
  platformHealth_get: 'operations:read',
  problems_get: 'public',
  problems_list: 'public',
  projections_list: 'operations:read',
  projections_rebuild: 'operations:write',
  projections_retry: 'operations:write',
  projections_skip: 'operations:write',
  quotas_get: 'user-quota:read',
  quotas_set: 'quota:write',
  rebuild_get: 'operations:read',
  rebuild_start: 'operations:write',
  routing_explain: 'operations:read',
  healthCodes_list: 'public',
  healthCodes_page: 'public',
  runbooks_list: 'public',
  runbooks_page: 'public',
  sandboxListing_list: 'sandbox:read',
  sandboxes_create: 'sandbox:create',
  sandboxes_delete: 'sandbox:delete',
  sandboxes_get: 'sandbox:read',
  sandboxes_list: 'sandbox:read',
  sandboxes_pause: 'sandbox:pause',
  sandboxes_resume: 'sandbox:resume',
  sessions_create: 'sandbox:create',
  sessions_delete: 'sandbox:delete',
  sessions_extend: 'sandbox:update',
  sessions_get: 'sandbox:read',
  sessions_list: 'sandbox:read',
  userApiKeys_create: 'user-apikey:create',
  userApiKeys_list: 'user-apikey:read',
  userApiKeys_rename: 'user-apikey:update',
  userApiKeys_revoke: 'user-apikey:revoke',
  userSandboxes_delete: 'sandbox:delete',
  userSandboxes_get: 'sandbox:read',
  userSandboxes_pause: 'sandbox:pause',
  userSandboxes_resume: 'sandbox:resume',
  users_create: 'user:create',
  users_delete: 'user:delete',
  users_forget: 'user:forget',
  users_get: 'user:read',
  users_list: 'user:read',
  users_patch: 'user:update',
  users_update: 'user:update',
};

/** What the proxy answers before it comes here. */
const atTheProxy: Record<string, PermissionName> = { workspace_export: 'sandbox:read', workspace_import: 'sandbox:update' };

interface Operation {
  method: string;
  path: string;
  operationId: string;
  description?: string;
  summary?: string;
  security: unknown[];
  parameters?: { name: string; in: string }[];
  requestBody?: unknown;
  responses: Record<string, { content?: Record<string, { schema: unknown }> }>;
}
const operations = (): Operation[] =>
  Object.entries(document.paths as Record<string, Record<string, Omit<Operation, 'method' | 'path'>>>).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path })),
  );

/** Of every request to the API that a text shows as a line of curl or as code, `GET /api/v1/sandboxes/{}`: method and path, without names and ids. */
function requestsIn(text: string): string[] {
  const found: string[] = [];
  const add = (method: string, path: string) => found.push(`${method} ${nameless(path.replace(/^\/v1/, '/api/v1'))}`);
  for (const line of text.replaceAll('\\\n', ' ').split('\n')) {
    const path = line.startsWith('$ curl') && /\$URL(\/(?:api\/)?v1\/[^\s"?]+)/.exec(line)?.[1];
    if (path) add(/ -X (\w+)/.exec(line)?.[1] ?? (/ -[dF] /.test(line) ? 'POST' : 'GET'), path);
  }
  let methods: string[] = []; // of `PATCH`, `DELETE /path`
  for (const [, method, path] of text.matchAll(/`(GET|POST|PUT|PATCH|DELETE)?(?: ?(\/(?:api\/)?v1\/[^`?]+))?`/g)) {
    if (method) methods.push(method);
    if (!path) continue;
    for (const each of methods.length > 0 ? methods : ['GET']) add(each, path);
    methods = [];
  }
  return found;
}
const nameless = (path: string) => path.replace(/\{\w+\}|\bs1\b|\w{3}_01m8…/g, '{}');

describe('every route', () => {
  it('has the permission that is written down for it', () => {
    const routes = routesOf(gateway.service.app.get(DiscoveryService, { strict: false }));
    expect(Object.fromEntries(routes.map(({ controller, method, access: needs }) => [operationId(controller, method), needs]))).toEqual(
      access,
    );
  });

  it('refuses who has no key, and who lacks the permission', async () => {
    for (const { method, path, operationId: id } of operations()) {
      const needs = access[id]!;
      if (needs === 'public' || id in atTheProxy) continue;
      const url = path.replace(/\{\w+\}/g, 'x');
      expect([id, (await gateway.send(method, url)).status]).toEqual([id, 401]);
      if (!may('user', needs)) expect([id, (await gateway.send(method, url, { as: alice })).status]).toEqual([id, 403]);
    }
    expect([...gateway.auth.requests, ...gateway.provisioner.requests, ...gateway.audit.requests]).toEqual([]);
  });
});

describe('the OpenAPI document', () => {
  it('is OpenAPI 3.1.1, and the same in YAML and under every prefix (S4-13)', async () => {
    expect(document).toMatchObject({ openapi: '3.1.1', components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } } });
    expect(parse((await gateway.send('GET', '/openapi.yaml')).text)).toEqual(document);
    expect((await gateway.send('GET', '/api/openapi.json')).json).toEqual(document);
  });

  it('S0-53 has each route that the guide to the API uses, by its method', async () => {
    const guide = await readFile(fileURLToPath(new URL('../../../../docs/how-to/use-the-api.md', import.meta.url)), 'utf8');
    const used = [...new Set(requestsIn(guide))];
    expect(used.length).toBeGreaterThan(20);
    const served = operations().map(({ method, path }) => `${method} ${nameless(path)}`);
    expect(used.filter((request) => !served.includes(request))).toEqual([]);
  });

  it('has every route, by a stable name', () => {
    expect(
      operations()
        .map(({ operationId: id }) => id)
        .sort(),
    ).toEqual(Object.keys({ ...access, ...atTheProxy }).sort());
  });

  it('says of every route what it is for, what it needs, and how it refuses', () => {
    for (const { operationId: id, summary, description, security, responses } of operations()) {
      expect([id, summary]).toEqual([id, expect.stringMatching(/.{5}/)]);
      expect([id, Object.keys(responses.default?.content ?? {})]).toEqual([id, ['application/problem+json']]);
      if (access[id] === 'public') expect([id, security]).toEqual([id, []]);
      else
        expect([id, description, security[0]]).toEqual([
          id,
          expect.stringContaining(`\`${access[id] ?? atTheProxy[id]}\``),
          { bearer: [] },
        ]);
    }
  });

  it('says of every change that it takes an Idempotency-Key, and of every resource with a version that it takes If-Match', () => {
    for (const { operationId: id, method, parameters = [] } of operations()) {
      const headers = parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name);
      if (method !== 'GET') expect([id, headers]).toEqual([id, expect.arrayContaining(['Idempotency-Key'])]);
    }
    const sandboxPause = operations().find(({ operationId: id }) => id === 'sandboxes_pause')!;
    expect(sandboxPause.parameters!.map(({ name }) => name).sort()).toEqual(['Idempotency-Key', 'If-Match', 'Prefer', 'name']);
  });

  it('has the schemas of bodies, queries and answers', () => {
    const create = operations().find(({ operationId: id }) => id === 'sandboxes_create')!;
    expect(create.requestBody).toMatchObject({
      content: { 'application/json': { schema: { $ref: '#/components/schemas/CreateSandbox' } } },
    });
    expect(create.responses['202']!.content!['application/json']!.schema).toEqual({ $ref: '#/components/schemas/Sandbox' });
    const list = operations().find(({ operationId: id }) => id === 'audit_list')!;
    expect(list.parameters!.filter((parameter) => parameter.in === 'query').map(({ name }) => name)).toEqual(
      expect.arrayContaining(['actor', 'action', 'target', 'since', 'until', 'limit', 'cursor']),
    );
  });

  it('says where no body need be sent', () => {
    const optional = operations().filter(({ requestBody }) => (requestBody as { required?: boolean } | undefined)?.required === false);
    expect(optional.map(({ operationId: id }) => id).sort()).toEqual(['masterKeys_rewrap', 'sessions_extend']);
  });

  it('refers to nothing that it does not have', () => {
    const references = new Set(JSON.stringify(document).match(/#\/components\/schemas\/[\w.-]+/g));
    for (const reference of references) expect(Object.keys(document.components.schemas)).toContain(reference.split('/').at(-1));
  });
});

describe('what is public', () => {
  it('S0-13 S1-07 S4-06 C9 /health says how many sandboxes there are', async () => {
    gateway.provisioner.answers(provisioner.CountSandboxes, () => ({ count: 3 }));
    const answer = await gateway.send('GET', '/health');
    expect(answer).toMatchObject({ status: 200, json: { status: 'ok', sandboxes: 3 } });
    expect(Object.keys(answer.json)).toEqual(['status', 'sandboxes', 'timestamp']);
    expect(new Date(answer.json.timestamp).toISOString()).toBe(answer.json.timestamp);
  });

  it('/docs shows a viewer that needs nothing from elsewhere', async () => {
    const page = await gateway.send('GET', '/docs');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const assets = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url!);
    expect(assets).toHaveLength(4);
    for (const url of assets) {
      expect(url).toMatch(/^\/docs\//);
      expect([url, (await gateway.send('GET', url)).status]).toEqual([url, 200]);
    }
    expect((await gateway.send('GET', '/docs/package.json')).status).toBe(404);
    expect((await gateway.send('GET', '/docs/toString')).status).toBe(404);
  });

  it('the type of every problem leads to what it means', async () => {
    const { json } = await gateway.send('GET', '/problems');
    expect(json.items.map(({ code }: { code: string }) => code)).toEqual(Object.keys(errorTable));
    const refusal = await gateway.send('GET', '/api/v1/nothing', { as: admin });
    expect((await gateway.send('GET', refusal.json.type)).json).toMatchObject({ code: 'NOT_FOUND', status: 404, retryable: false });
  });
});
