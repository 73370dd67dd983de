import { IDENTITY_HEADER } from '@sandlot/service-kit';
import { agrees, originForm } from './absolute-form.js';
import type { Activity } from './activity.js';
import { forwardedLines, type Admission } from './admitted.js';
import { authenticate, authenticateCertificate, type Caller, type CredentialChecks } from './authentication.js';
import { isOfAnotherSite } from './client-certificate.js';
import type { ClientConnection } from './client-connection.js';
import { HTTP_VERSIONS, type ClientRequest } from './client-message.js';
import { DirectoryUnavailable, whenKnown } from './directory.js';
import { readRequestHead, type RequestHead } from './header-hygiene.js';
import type { IdentitySigner } from './identity.js';
import { Limits, type LimitOptions } from './limits.js';
import { PreviewAdmissions, type OpenedLink, type PreviewOptions } from './preview-admission.js';
import { badRequest, Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import type { RequestSpans } from './request-spans.js';
import { newTraceparent } from './request-id.js';
import { ALLOWED, parseRequestTarget, type ApiTarget, type SandboxTarget } from './request-target.js';
import { SharedOrigin } from './response-isolation.js';
import { findRoute, notReady, portOf, type Route, type SandboxAddress } from './routing.js';
import { isTunnelPath, parseTunnelTarget, readTunnelHead, TUNNEL_METHODS } from './tunnel-target.js';
import { WakeUps, type WakeOptions } from './wake.js';

export interface AdmissionOptions extends CredentialChecks {
  signer: IdentitySigner;
  /** `host:port` of the gateway. */
  gatewayAddress: string;
  /** Bytes of a request body to the API. Default 1 MiB, which is all that the gateway takes. Bodies to sandboxes have no limit. */
  apiBodyLimit?: number;
  limits?: LimitOptions;
  /** Told what uses a sandbox that has a limit of idle time. */
  activity?: Activity | undefined;
  /** Without it, a request for a sandbox that sleeps is refused, and the sandbox sleeps on. */
  wake?: WakeOptions | undefined;
  /** Makes a span of each request, where traces are on. */
  spans?: RequestSpans | undefined;
  /** Without it, there are no preview addresses. */
  previews?: PreviewOptions | undefined;
  /** Milliseconds since 1970, for expiry. Default Date.now. */
  now?: () => number;
}

export interface TunnelAdmission {
  /** To dial. */
  address: string;
  head: RequestHead;
}

/** Made at once, or when something has been looked up. */
type Decision<Admitted> = Admitted | Refusal | Promise<Admitted | Refusal>;

export const DEFAULT_API_BODY_LIMIT = 1024 * 1024;

/**
 * The order for every request: parse the target, read the headers, authenticate, find the route, check the owner, limit. What comes out
 * holds exactly what was checked; nothing downstream looks at the raw request again.
 */
export class Admissions {
  private readonly now: () => number;
  private readonly apiBodyLimit: number;
  readonly wakeUps: WakeUps | undefined;
  readonly limits: Limits;
  readonly previews: PreviewAdmissions | undefined;

  constructor(private readonly options: AdmissionOptions) {
    this.now = options.now ?? Date.now;
    this.apiBodyLimit = options.apiBodyLimit ?? DEFAULT_API_BODY_LIMIT;
    this.limits = new Limits(options.limits);
    this.wakeUps = options.wake && new WakeUps(options.directory, options.wake);
    const { directory, tokens, previews, activity, spans } = options;
    const runningRoute = this.runningRoute.bind(this);
    this.previews =
      previews && new PreviewAdmissions(previews, { directory, tokens, limits: this.limits, activity, spans, now: this.now, runningRoute });
  }

  async admit(request: ClientRequest, client: ClientConnection, trail: RequestTrail): Promise<Admission | OpenedLink | Refusal> {
    try {
      return await this.decide(request, client, trail);
    } catch (error) {
      return refusalOfUnknown(error, trail);
    }
  }

  /** A CONNECT or a WebSocket that is to carry a tunnel, in the same order. */
  async admitTunnel(request: ClientRequest, client: ClientConnection, trail: RequestTrail): Promise<TunnelAdmission | Refusal> {
    try {
      return await this.decideTunnel(request, client, trail);
    } catch (error) {
      return refusalOfUnknown(error, trail);
    }
  }

  private decide(request: ClientRequest, client: ClientConnection, trail: RequestTrail): Decision<Admission | OpenedLink> {
    const previewHost = this.previews?.domain.hostOf(request.rawHeaders);
    if (previewHost !== undefined) return this.previews!.admit(previewHost, request, client, trail);
    const method = request.method!;
    const { target: path, authority } = originForm(request.url!);
    const target = parseRequestTarget(path, method);
    if (target instanceof Refusal) return target;
    trail.path = target.path;
    if (target.kind === 'api') trail.kind = 'api';
    if (!HTTP_VERSIONS.has(request.httpVersion)) return badRequest('Only HTTP/1.1, HTTP/1.0 and, over TLS, HTTP/2 are understood');
    const head = readRequestHead(request.rawHeaders, request.httpVersion);
    if (head instanceof Refusal) return head;
    if (authority !== undefined && !agrees(authority, head.host)) return badRequest('The request target names another host than Host');
    const traceparent = this.options.spans?.begin(trail, head.traceparent) ?? head.traceparent ?? newTraceparent();
    if (method === 'TRACE') return new Refusal('METHOD_NOT_ALLOWED', 'TRACE is not allowed', { allow: ALLOWED });
    if (target.kind === 'server') return new Refusal('METHOD_NOT_ALLOWED', 'Ask for a path', { allow: ALLOWED });
    if (target.kind === 'unknown') return new Refusal('NOT_FOUND', 'Nothing is served at this path');

    const lines = `${method} ${target.forward} HTTP/1.1\r\n${forwardedLines(head, trail, traceparent)}`;
    if (target.kind === 'api') return this.toGateway(target, request, head, lines, client, trail);
    return this.toSandbox(target, request, head, lines, client, trail);
  }

  private async decideTunnel(request: ClientRequest, client: ClientConnection, trail: RequestTrail): Promise<TunnelAdmission | Refusal> {
    const target = parseTunnelTarget(request.url!);
    if (target instanceof Refusal) return target;
    trail.path = target.path;
    if (!TUNNEL_METHODS.includes(request.method!)) return tunnelsOnly();
    if (this.previews?.domain.hostOf(request.rawHeaders)) return badRequest('Tunnels are asked for at the address of the API');
    const head = readTunnelHead(request.rawHeaders, request.httpVersion);
    if (head instanceof Refusal) return head;
    this.options.spans?.begin(trail, head.traceparent);
    const caller = await this.authenticate(request, head, client, trail);
    if (caller instanceof Refusal) return request.method === 'CONNECT' ? new Refusal(caller.code, caller.detail, { status: 407 }) : caller;
    const route = await this.runningRoute(target, caller, request, head, client, trail);
    if (route instanceof Refusal) return route;
    const port = target.port === undefined ? (portOf(route, 'ssh') ?? portOf(route, '22')) : portOf(route, target.port);
    trail.port = port?.port;
    if (port) return { address: port.address, head };
    return new Refusal('FORBIDDEN', 'The sandbox does not declare this port; ports are declared when a sandbox is created');
  }

  private async toGateway(
    target: ApiTarget,
    request: ClientRequest,
    head: RequestHead,
    lines: string,
    client: ClientConnection,
    trail: RequestTrail,
  ): Promise<Admission | Refusal> {
    if (target.path.endsWith('/tunnel') && isTunnelPath(target.path)) return tunnelsOnly();
    const bodyLimit = this.apiBodyLimit;
    if (typeof head.body === 'number' && head.body > bodyLimit) return tooLarge(bodyLimit);
    const admission: Admission = {
      to: 'gateway',
      address: this.options.gatewayAddress,
      method: request.method!,
      head,
      lines,
      bodyLimit,
      isolation: undefined,
    };
    if (target.public) return admission;
    const caller = await this.authenticate(request, head, client, trail);
    if (caller instanceof Refusal) return caller;
    const limited = this.limits.take(caller, trail);
    if (limited) return limited;
    admission.lines += `${IDENTITY_HEADER}: ${this.assertion(caller, trail)}\r\n`;
    return admission;
  }

  private toSandbox(
    target: SandboxTarget,
    request: ClientRequest,
    head: RequestHead,
    lines: string,
    client: ClientConnection,
    trail: RequestTrail,
  ): Decision<Admission> {
    const forward = (route: Route | Refusal) =>
      route instanceof Refusal ? route : admissionTo(route, target, request, head, lines, trail);
    return whenKnown(this.authenticate(request, head, client, trail), (caller) =>
      caller instanceof Refusal ? caller : whenKnown(this.runningRoute(target, caller, request, head, client, trail), forward),
    );
  }

  private authenticate(
    request: ClientRequest,
    { credential, host }: RequestHead,
    { certificate }: ClientConnection,
    trail: RequestTrail,
  ): Decision<Caller> {
    if (credential !== undefined || !certificate) return authenticate(this.options, credential, this.now(), trail);
    if (!isOfAnotherSite(request.headers, host)) return authenticateCertificate(this.options, certificate, this.now(), trail);
    trail.reason = 'a page of another origin used the certificate';
    return new Refusal('FORBIDDEN', 'A certificate is not accepted for what a page of another origin asks for; send an API key');
  }

  /** The route of a sandbox that is the caller's and runs, or that could be woken. */
  private runningRoute(
    target: SandboxAddress,
    caller: Caller,
    request: ClientRequest,
    head: RequestHead,
    client: ClientConnection,
    trail: RequestTrail,
  ): Decision<Route> {
    return whenKnown(findRoute(this.options.directory, caller, target, trail), (route) =>
      this.awake(route, caller, request, head, client, trail),
    );
  }

  private awake(
    route: Route | Refusal,
    caller: Caller,
    request: ClientRequest,
    { traceparent }: RequestHead,
    client: ClientConnection,
    trail: RequestTrail,
  ): Decision<Route> {
    if (route instanceof Refusal) return route;
    const limited = this.limits.take(caller, trail);
    if (limited) return limited;
    if ('idleTimeoutSeconds' in route) this.options.activity?.begin(trail);
    if (route.state === 'running') return route;
    const prefer = request.headers.prefer as string | undefined;
    return this.wakeUps && 'sandboxId' in route
      ? this.wakeUps.route(route, { caller, client, trail, traceparent, prefer })
      : notReady(route.state);
  }

  private assertion({ userId, username, role, keyId }: Caller, { origin: { ip }, requestId }: RequestTrail): string {
    return this.options.signer.sign({ userId, username, role, keyId, ip, requestId, iat: Math.floor(this.now() / 1000) });
  }
}

function admissionTo(
  route: Route,
  target: SandboxTarget,
  request: ClientRequest,
  head: RequestHead,
  lines: string,
  trail: RequestTrail,
): Admission | Refusal {
  const port = portOf(route, target.port);
  if (!port) return route.ports.length > 0 ? new Refusal('NOT_FOUND', 'The sandbox does not declare this port') : notReady('starting');
  trail.port = port.port;
  return {
    to: 'sandbox',
    address: port.address,
    protocol: port.protocol,
    method: request.method!,
    head,
    lines: `${lines}x-forwarded-prefix: ${target.prefix}\r\n`,
    bodyLimit: Infinity,
    isolation: new SharedOrigin(target, head.host ?? 'localhost'),
  };
}

function refusalOfUnknown(error: unknown, trail: RequestTrail): Refusal {
  if (!(error instanceof DirectoryUnavailable)) throw error;
  trail.reason = error.message;
  return new Refusal('UNAVAILABLE', 'Keys and routes cannot be looked up right now', { retryAfter: 1 });
}

const tunnelsOnly = (): Refusal =>
  new Refusal('METHOD_NOT_ALLOWED', 'Ask for a tunnel by CONNECT, or open it as a WebSocket', {
    allow: TUNNEL_METHODS,
    headers: ['upgrade', 'websocket'],
  });

export function tooLarge(limitBytes: number): Refusal {
  return new Refusal('BODY_TOO_LARGE', `The body is larger than ${limitBytes} bytes`, { limitBytes });
}
