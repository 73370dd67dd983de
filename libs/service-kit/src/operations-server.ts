import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DomainError } from '@sandlot/kernel';
import type { Health } from './health.js';
import { problem } from './problem.js';
import { acceptRequestId, REQUEST_ID_HEADER } from './request-context.js';
import type { Telemetry } from './telemetry.js';

export interface OperationsServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface OperationsOptions {
  /** 0 takes a free port. */
  readonly port: number;
  readonly host: string;
  readonly health: Health;
  readonly telemetry: Telemetry;
}

/**
 * What operators and Kubernetes ask a process: `/metrics`, `/livez` (is the event loop turning; asks nobody else) and
 * `/readyz[?verbose]`. On a port of its own, without authentication: nothing secret and no names are in it.
 */
export async function startOperationsServer({ port, host, health, telemetry }: OperationsOptions): Promise<OperationsServer> {
  const server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) => {
    answer(request, response, health, telemetry).catch(() => response.destroy());
  });
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new Error(`cannot listen on ${host}:${port} for /metrics and /readyz; set SANDLOT_METRICS_PORT to another port, or to 0`, {
      cause,
    });
  }
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, health: Health, telemetry: Telemetry): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://operations');
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (reads && url.pathname === '/metrics') return telemetry.scrape(request, response);
  if (reads && url.pathname === '/livez') return text(response, 200, 'ok\n');
  if (reads && url.pathname === '/readyz') {
    const { ready, lines } = await health.readiness();
    const summary = ready ? 'ready' : 'not ready';
    return text(
      response,
      ready ? 200 : 503,
      url.searchParams.has('verbose') || !ready ? `${lines.join('\n')}\n${summary}\n` : `${summary}\n`,
    );
  }
  const requestId = acceptRequestId(request.headers[REQUEST_ID_HEADER]);
  const known = ['/metrics', '/livez', '/readyz'].includes(url.pathname);
  const refusal = known
    ? new DomainError('METHOD_NOT_ALLOWED', 'Only GET is allowed here.', { allow: ['GET', 'HEAD'] })
    : new DomainError('NOT_FOUND', 'Here are /metrics, /livez and /readyz.');
  const { status, headers, body } = problem(refusal, { requestId });
  response.writeHead(status, headers).end(JSON.stringify(body));
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }).end(body);
}
