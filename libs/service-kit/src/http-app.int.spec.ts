import { connect } from 'node:net';
import { Body, Controller, Get, HttpCode, Module, Param, Post, Query, UnauthorizedException } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DomainError } from '@sandlot/kernel';
import { z } from 'zod';
import { createHttpApp } from './http-app.js';
import {
  Caller,
  Health,
  IDENTITY_HEADER,
  logger,
  openApiDocument,
  Permission,
  Public,
  requestContext,
  signIdentity,
  startOperationsServer,
  startTelemetry,
  type Telemetry,
} from './index.js';

const identityKey = 'k'.repeat(32);
const now = new Date('2026-01-01T00:00:00Z');
const Create = z.strictObject({ name: z.string().min(1), count: z.int().min(1).default(1) }).meta({ id: 'CreateThing' });

@Controller('api/v1/things')
class ThingsController {
  @Post()
  @Permission('sandbox:create')
  create(@Body({ schema: Create }) body: z.infer<typeof Create>, @Caller() caller: Caller) {
    return { ...body, caller, requestId: requestContext().requestId, userId: requestContext().userId };
  }

  @Get()
  @Permission('sandbox:read')
  list(@Query({ schema: z.object({ limit: z.coerce.number().int().max(9).default(5) }) }) query: { limit: number }) {
    return query;
  }

  @Get('broken')
  @Public()
  broken() {
    throw new Error('hunter2');
  }

  @Get('denied')
  @Public()
  denied() {
    throw new UnauthorizedException('no');
  }

  @Post(':name/pause')
  @HttpCode(202)
  @Permission('user:delete')
  pause(@Param('name') name: string) {
    throw new DomainError('SANDBOX_NOT_READY', `${name} is starting`, { state: 'starting', retryAfterSeconds: 2 });
  }
}

@Module({ controllers: [ThingsController] })
class Things {}

describe('an HTTP application', () => {
  let app: NestFastifyApplication;
  let url: string;
  let telemetry: Telemetry;
  const errors: unknown[] = [];

  beforeAll(async () => {
    logger.level = 'silent';
    const error = logger.error.bind(logger);
    logger.error = ((fields: unknown, message: string) => (errors.push(fields), error(fields, message))) as typeof logger.error;
    telemetry = await startTelemetry('test', {});
    app = await createHttpApp(Things, {
      identityKey,
      clock: { now: () => now },
      bodyLimitBytes: 1000,
      rewriteUrl: (path) => path.replace(/^\/api\/(?!v1\/)/, '/api/v1/'),
    });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });
  afterAll(async () => {
    await app.close();
    await telemetry.close();
  });

  const identity = (role: 'admin' | 'user') =>
    signIdentity(
      { userId: 'usr_1', username: 'alice', role, keyId: 'key_1', ip: '::1', requestId: 'r0', iat: now.getTime() / 1000 },
      identityKey,
    );
  const call = async (
    method: string,
    path: string,
    options: { body?: string; headers?: Record<string, string>; as?: 'admin' | 'user' } = {},
  ) => {
    const { body, as = 'admin', headers } = options;
    const response = await fetch(url + path, {
      method,
      body,
      headers: { [IDENTITY_HEADER]: identity(as), ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text ? JSON.parse(text) : undefined) as Record<string, unknown> };
  };
  const things = '/api/v1/things';

  it('parses by schema, knows the caller and gives the request id back', async () => {
    const { status, headers, body } = await call('POST', things, { body: '{"name":"x"}', headers: { 'x-request-id': 'mine' } });
    expect(status).toBe(201);
    expect(body).toEqual({
      name: 'x',
      count: 1,
      requestId: 'mine',
      userId: 'usr_1',
      caller: expect.objectContaining({ userId: 'usr_1', role: 'admin' }),
    });
    expect(headers.get('x-request-id')).toBe('mine');
    expect(headers.get('traceparent')).toMatch(/^00-/);
  });

  it('answers an unknown route with 404, also by the older name of a known one', async () => {
    expect(await call('GET', '/nothing')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND', status: 404 } });
    expect((await call('GET', '/api/things')).status).toBe(200);
  });

  it('answers a wrong method with 405 and the right ones', async () => {
    const { status, headers, body } = await call('DELETE', things);
    expect(status).toBe(405);
    expect(headers.get('allow')).toBe('GET, HEAD, POST');
    expect(body.code).toBe('METHOD_NOT_ALLOWED');
    expect((await call('GET', `${things}/x/pause`)).headers.get('allow')).toBe('POST');
  });

  it('answers malformed JSON with 400', async () => {
    for (const body of ['{"name":', 'x', '{"__proto__":{}}']) {
      expect(await call('POST', things, { body })).toMatchObject({ status: 400, body: { code: 'MALFORMED_REQUEST' } });
    }
  });

  it('answers a body that is too large with 413, and says how large it may be', async () => {
    const body = JSON.stringify({ name: 'x'.repeat(2000) });
    expect(await call('POST', things, { body })).toMatchObject({ status: 413, body: { code: 'BODY_TOO_LARGE', limitBytes: 1000 } });
  });

  it('answers a body that is not JSON with 415', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
      const answer = await call('POST', things, { body: 'a=b', headers: { 'content-type': type } });
      expect(answer).toMatchObject({ status: 415, body: { code: 'UNSUPPORTED_MEDIA_TYPE' } });
    }
    expect(
      (await call('POST', things, { body: '{"name":"x"}', headers: { 'content-type': 'application/merge-patch+json; charset=utf-8' } }))
        .status,
    ).toBe(201);
  });

  it('answers failed validation with 422 and every field', async () => {
    const { status, body } = await call('POST', things, { body: '{"name":"","count":0,"extra":1}' });
    expect(status).toBe(422);
    expect((body.errors as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual(['/name', '/count', '/extra']);
    expect(await call('GET', `${things}?limit=50`)).toMatchObject({ status: 422, body: { errors: [{ pointer: '/limit', in: 'query' }] } });
    expect(await call('POST', things, { body: '' })).toMatchObject({ status: 422, body: { errors: [{ pointer: '', code: 'REQUIRED' }] } });
  });

  it('answers a URL that is too long with 414, and headers that are with 431', async () => {
    expect(await call('GET', `${things}?x=${'y'.repeat(9000)}`)).toMatchObject({ status: 414, body: { code: 'URI_TOO_LONG' } });
    expect(await raw(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 [^]*"code":"HEADERS_TOO_LARGE"/,
    );
    expect(await raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [^]*"code":"MALFORMED_REQUEST"/);
  });

  it('answers a malformed path with 400', async () => {
    expect(await raw('GET /api/v1/things/%zz/pause HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1.1 400 [^]*MALFORMED_REQUEST/,
    );
  });

  it('answers a refusal with its status, its details and Retry-After', async () => {
    const { status, headers, body } = await call('POST', `${things}/s1/pause`);
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('2');
    expect(headers.get('x-sandlot-code')).toBe('SANDBOX_NOT_READY');
    expect(body).toMatchObject({ code: 'SANDBOX_NOT_READY', state: 'starting' });
  });

  it('tells nobody of an error but the log, once', async () => {
    errors.length = 0;
    const { status, body } = await call('GET', `${things}/broken`);
    expect(status).toBe(500);
    expect(body).toMatchObject({ code: 'INTERNAL' });
    expect(JSON.stringify(body)).not.toMatch(/hunter2|stack| at /);
    expect(errors).toEqual([expect.objectContaining({ err: expect.objectContaining({ message: 'hunter2' }) })]);
  });

  it("answers the framework's own exceptions as problems", async () => {
    expect(await call('GET', `${things}/denied`)).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
  });

  it('refuses who has no identity, a forged one, or not the permission', async () => {
    const none = await call('GET', things, { headers: { [IDENTITY_HEADER]: '' } });
    expect(none.status).toBe(401);
    expect(none.headers.get('www-authenticate')).toMatch(/^Bearer/);
    expect((await call('GET', things, { headers: { [IDENTITY_HEADER]: `${identity('admin')}x` } })).status).toBe(401);
    expect(await call('POST', `${things}/s1/pause`, { as: 'user' })).toMatchObject({ status: 403, body: { permission: 'user:delete' } });
  });

  it('does not start with a route that nobody has thought about', async () => {
    @Controller('open')
    class OpenController {
      @Get()
      forgotten() {
        return 'anything';
      }
    }
    @Module({ controllers: [OpenController, ThingsController] })
    class Open {}
    const open = await createHttpApp(Open, { identityKey });
    await expect(open.init()).rejects.toThrow('these routes have neither @Permission nor @Public: OpenController.forgotten');
    await open.close();
  });

  it('measures its requests by route, not by path', async () => {
    await call('POST', `${things}/secret-name/pause`);
    const operations = await startOperationsServer({ port: 0, host: '127.0.0.1', health: new Health(), telemetry });
    const text = await (await fetch(`http://127.0.0.1:${operations.port}/metrics`)).text();
    await operations.close();
    expect(text).toMatch(/^sandlot_http_request_duration_seconds_count\{.*http_route="\/api\/v1\/things\/:name\/pause".*"503"\} \d/m);
    expect(text).not.toContain('secret-name');
  });

  it('describes itself in OpenAPI 3.1', async () => {
    const document = await openApiDocument(app, { title: 'Test', version: '1', description: 'x' });
    const create = document.paths[things]!.post!;
    expect(document.openapi).toBe('3.1.1');
    expect(create).toMatchObject({
      operationId: 'things_create',
      description: expect.stringContaining('Permission: `sandbox:create`.'),
      security: [{ bearer: [] }, { apiKey: [] }],
      requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/CreateThing' } } } },
      responses: { default: { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } } },
    });
    expect(document.paths[`${things}/broken`]!.get!.security).toEqual([]);
    expect(Object.keys(document.components!.schemas!)).toEqual(expect.arrayContaining(['CreateThing', 'Problem']));
    expect(JSON.stringify(document)).not.toContain('$defs');
  });

  function raw(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(request));
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('close', () => resolve(text)).on('error', reject);
    });
  }
});
