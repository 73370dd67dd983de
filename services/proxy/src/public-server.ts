import { createServer, type Server, type ServerOptions } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { SecureContextOptions } from 'node:tls';
import type { CertificateRule } from './client-certificate.js';
import { asksForWebSocket } from './upgrade.js';

/** Certificate and key, and whose certificates clients may show. They change while the server runs. */
export interface Credentials extends Pick<SecureContextOptions, 'cert' | 'key' | 'ca'> {
  cert: string;
  key: string;
}

export interface TlsOptions {
  credentials: Credentials;
  /** Calls the listener with every later certificate and key. */
  onChange?: (listener: (credentials: Credentials) => void) => void;
  /** Which user a client's certificate stands for. Without it none is asked for. */
  clients?: CertificateRule;
}

export interface PublicServerOptions {
  tls?: TlsOptions;
  /** Milliseconds that a client may take to send a request's head. Default 10,000. */
  headersTimeoutMs?: number;
  /** Milliseconds between looks for clients that are too slow. Default 1000. */
  checkIntervalMs?: number;
  /** Milliseconds that a client's idle connection is kept. Default 65,000. */
  keepAliveTimeoutMs?: number;
  /** Connections from clients at a time; further ones are closed at once. Default 10,000. */
  maxConnections?: number;
}

/** What node:http2 has of node:http for its HTTP/1.1. */
type Http1Parts = Pick<Server, 'closeIdleConnections' | 'maxHeadersCount' | 'maxConnections'>;
export type PublicServer = Server | (Http2SecureServer & Http1Parts);

const MAX_HEAD_BYTES = 16 * 1024;
const HANDSHAKE_MS = 5000;
const STREAMS_PER_CONNECTION = 100;
/** Streams that a client may open and reset: so many at once, and so many a second in the long run. Then its connection ends. */
const RESETS = { streamResetBurst: 200, streamResetRate: 30 };

/**
 * HTTP/1.1 over TCP; or over TLS that and, where the client chooses it there (ALPN), HTTP/2. HTTP/1.1 is node:http's in both. HTTP/2 comes
 * as streams, never without TLS.
 */
export function publicServer(options: PublicServerOptions): PublicServer {
  const { tls } = options;
  const http: ServerOptions = {
    maxHeaderSize: MAX_HEAD_BYTES,
    requireHostHeader: false, // checked in header-hygiene.ts, which answers problem+json
    headersTimeout: options.headersTimeoutMs ?? 10_000,
    requestTimeout: 0, // a body may take as long as its sandbox likes
    connectionsCheckingInterval: options.checkIntervalMs ?? 1000,
    keepAliveTimeout: options.keepAliveTimeoutMs ?? 65_000,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    noDelay: true,
    optimizeEmptyRequests: true,
    shouldUpgradeCallback: asksForWebSocket,
  };
  const server = tls ? secureServer(http, tls) : createServer(http);
  server.maxHeadersCount = 0; // node:http would cut the list silently; header-hygiene.ts counts
  server.maxConnections = options.maxConnections ?? 10_000;
  return server;
}

function secureServer(http: ServerOptions, tls: TlsOptions): Http2SecureServer & Http1Parts {
  const server = createSecureServer({
    ...http,
    ...tls.credentials,
    ...RESETS,
    allowHTTP1: true,
    allowHalfOpen: true,
    handshakeTimeout: HANDSHAKE_MS,
    minVersion: 'TLSv1.2',
    // A certificate that nobody vouches for is as good as none: there are other credentials.
    requestCert: tls.clients !== undefined,
    rejectUnauthorized: false,
    strictSingleValueFields: false, // a sandbox's repeated fields are passed on; a client's are looked at in header-hygiene.ts
    settings: { maxConcurrentStreams: STREAMS_PER_CONNECTION, maxHeaderListSize: 2 * MAX_HEAD_BYTES, enablePush: false },
  } as Parameters<typeof createSecureServer>[0]) as Http2SecureServer & Http1Parts;
  tls.onChange?.(({ cert, key, ca }) => server.setSecureContext({ cert, key, ca, minVersion: 'TLSv1.2' }));
  // Else node:http2 would make objects like those of node:http of each stream, for those who listen for requests; here streams are served.
  server.removeAllListeners('newListener');
  // It would tell of it as if it were a request that could not be read. Who does not get through the handshake is nobody to answer.
  server.removeAllListeners('tlsClientError').on('tlsClientError', (_, socket) => socket.destroy());
  return Object.assign(server, { shouldUpgradeCallback: asksForWebSocket });
}
