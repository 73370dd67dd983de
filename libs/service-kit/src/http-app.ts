import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { DynamicModule, Type } from '@nestjs/common';
import { APP_GUARD, DiscoveryModule, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { context, metrics, type Context } from '@opentelemetry/api';
import { DomainError } from '@sandlot/kernel';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { NestLog } from './logging.js';
import { guardOptions, PermissionGuard, type GuardOptions } from './permission-guard.js';
import { fromFramework, ProblemFilter, sendProblem } from './problem-filter.js';
import { problem } from './problem.js';
import { acceptRequestId, acceptTraceparent, REQUEST_ID_HEADER, TRACEPARENT_HEADER, withRequestContext } from './request-context.js';
import { SchemaPipe } from './schema-pipe.js';
import { SpanKind, startSpan, traceparentOf } from './tracing.js';

export interface HttpAppOptions extends GuardOptions {
  /** How large a request's body may be, default 1 MiB. */
  readonly bodyLimitBytes?: number;
  /** How long a URL may be, in bytes, default 8 KiB. */
  readonly urlLimitBytes?: number;
  /** Called with each path and query before it is routed. */
  readonly rewriteUrl?: (url: string) => string;
}

/**
 * A Nest application on Fastify in which every answer that is no success is a problem, every route needs a permission or says that it
 * needs none, and every answer carries the request's id. Not listening yet. Throws when a route has been forgotten, on `init`.
 */
export async function createHttpApp(module: Type | DynamicModule, options: HttpAppOptions): Promise<NestFastifyApplication> {
  const { bodyLimitBytes = 1024 * 1024, urlLimitBytes = 8 * 1024, rewriteUrl } = options;
  const adapter = new FastifyAdapter({
    bodyLimit: bodyLimitBytes,
    routerOptions: { maxParamLength: 1024, ignoreTrailingSlash: true },
    // The proxy keeps its connections for 60 s; one that ends first on this side costs a request.
    keepAliveTimeout: 75_000,
    requestTimeout: 60_000,
    genReqId: (request: { headers: Record<string, string | string[] | undefined> }) => acceptRequestId(request.headers[REQUEST_ID_HEADER]),
    clientErrorHandler: refuseUnreadable,
    // What the router itself cannot read reaches neither hooks nor filters.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, fromFramework(error, bodyLimitBytes), request.id),
    ...(rewriteUrl && { rewriteUrl: (request: { url?: string }) => rewriteUrl(request.url ?? '/') }),
  });
  const fastify: FastifyInstance = adapter.getInstance();
  const routes = rememberRoutes(fastify);
  acceptJsonOnly(fastify);
  identifyRequests(fastify, urlLimitBytes);
  const app = await NestFactory.create<NestFastifyApplication>(guarded(module, options), adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: new NestLog(),
  });
  app.useGlobalPipes(new SchemaPipe());
  app.useGlobalFilters(new ProblemFilter((path) => routes.methodsOf(path), bodyLimitBytes));
  return app;
}

/** Takes no new connections and lets requests that are under way end, for at most `graceMs`; then breaks them off. */
export async function drainHttp(app: NestFastifyApplication, graceMs: number): Promise<void> {
  const server = app.getHttpServer();
  if (!server.listening) return;
  let closed = false;
  server.close(() => (closed = true));
  for (const deadline = Date.now() + graceMs; !closed && Date.now() < deadline; await pause(20)) server.closeIdleConnections();
  server.closeAllConnections();
}

class HttpAppModule {}

function guarded(module: Type | DynamicModule, options: GuardOptions): DynamicModule {
  return {
    module: HttpAppModule,
    imports: [module, DiscoveryModule],
    providers: [guardOptions(options), { provide: APP_GUARD, useClass: PermissionGuard }],
  };
}

function rememberRoutes(fastify: FastifyInstance): { methodsOf(path: string): string[] } {
  const routes: { methods: string[]; path: RegExp }[] = [];
  fastify.addHook('onRoute', ({ method, url }) => {
    const literal = url.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
    const path = new RegExp(`^${literal.replace(/:[A-Za-z0-9_]+/g, '[^/]+').replace(/\*/g, '.*')}/?$`);
    routes.push({ methods: [method].flat(), path });
  });
  return {
    methodsOf: (path) => [...new Set(routes.filter((route) => route.path.test(path)).flatMap(({ methods }) => methods))].sort(),
  };
}

/** `application/json` and what ends in `+json`. An empty body is no body, whatever its type says. */
function acceptJsonOnly(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser<string>(/^application\/([a-z0-9.-]+\+)?json(\s*;|$)/i, { parseAs: 'string' }, (request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    void parse(request, body, (error, value) => {
      if (!error) return done(null, value);
      done(new DomainError('MALFORMED_REQUEST', `The body is not valid JSON: ${error.message}`));
    });
  });
}

function identifyRequests(fastify: FastifyInstance, urlLimitBytes: number): void {
  const duration = metrics.getMeter('sandlot').createHistogram('sandlot_http_request_duration_seconds', {
    unit: 's',
    description: 'How long requests took',
    advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
  });
  const traces = new WeakMap<FastifyRequest, Context>();
  const inContext = (request: FastifyRequest, traceparent: string, work: () => void) =>
    withRequestContext({ requestId: request.id, traceparent }, () => context.with(traces.get(request) ?? context.active(), work));
  fastify.addHook('onRequest', (request, reply, done) => {
    const acceptedTraceparent = acceptTraceparent(request.headers[TRACEPARENT_HEADER]);
    const { span, within } = startSpan(`${request.method} ${request.routeOptions.url ?? ''}`, SpanKind.SERVER, acceptedTraceparent);
    const traceparent = traceparentOf(span) ?? acceptedTraceparent;
    traces.set(request, within);
    reply.raw.once('close', () => {
      const route = request.routeOptions.url ?? 'unmatched';
      const attributes = { 'http.request.method': request.method, 'http.route': route, 'http.response.status_code': reply.statusCode };
      duration.record(reply.elapsedTime / 1000, attributes);
      span.setAttributes(attributes).end();
    });
    request.headers[TRACEPARENT_HEADER] = traceparent;
    void reply.headers({ [REQUEST_ID_HEADER]: request.id, [TRACEPARENT_HEADER]: traceparent, 'x-content-type-options': 'nosniff' });
    const tooLong = request.url.length > urlLimitBytes;
    inContext(request, traceparent, () =>
      tooLong ? done(new DomainError('URI_TOO_LONG', `The URL is longer than ${urlLimitBytes} bytes.`)) : done(),
    );
  });
  // Reading the body leaves the context that the first hook has entered.
  fastify.addHook('preValidation', (request, _reply, done) => {
    inContext(request, request.headers[TRACEPARENT_HEADER] as string, done);
  });
}

/** What Node could not read as a request has no Fastify request: answered on the socket. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const refusal =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new DomainError('HEADERS_TOO_LARGE', 'The headers are larger than 16 KiB.')
      : new DomainError('MALFORMED_REQUEST', 'This is not an HTTP request.');
  const requestId = acceptRequestId(undefined);
  const { status, headers, body } = problem(refusal, { requestId });
  const payload = JSON.stringify(body);
  const head = { ...headers, [REQUEST_ID_HEADER]: requestId, connection: 'close', 'content-length': String(Buffer.byteLength(payload)) };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}`);
  socket.end(
    `HTTP/1.1 ${status} ${status === 431 ? 'Request Header Fields Too Large' : 'Bad Request'}\r\n${lines.join('\r\n')}\r\n\r\n${payload}`,
  );
}
