import { signPass, verifyPass } from '@sandlot/service-kit';
import type { PreviewAddress, RoutePreview, RouteRecord } from '@sandlot/contracts';
import { isApiKey } from '@sandlot/kernel';
import type { Activity } from './activity.js';
import { forwardedLines, type Admission } from './admitted.js';
import { authenticate, type Caller, type CredentialChecks } from './authentication.js';
import type { ClientConnection } from './client-connection.js';
import { HTTP_VERSIONS, type ClientRequest } from './client-message.js';
import type { Credential } from './credential.js';
import { Guests } from './guests.js';
import type { RequestHead } from './header-hygiene.js';
import type { Limits } from './limits.js';
import { PreviewDomain, withoutPort } from './preview-domain.js';
import { mayBeForged, PREVIEW_COOKIE, readPreviewRequest, type PreviewRequest } from './preview-request.js';
import { badRequest, Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import { newTraceparent } from './request-id.js';
import type { RequestSpans } from './request-spans.js';
import { ALLOWED } from './request-target.js';
import { OwnOrigin } from './response-isolation.js';
import { notFound, notReady, portOf, type Route, type SandboxAddress } from './routing.js';

export interface PreviewOptions {
  /** Of all previews, with the port where it is not the usual one. */
  domain: string;
  /** That links and cookies are signed with, the same in the gateway and all proxies. */
  key: string;
}

/** What the admission of previews shares with that of everything else. */
export interface PreviewSurroundings extends CredentialChecks {
  limits: Limits;
  now: () => number;
  /** Told what uses a sandbox that has a limit of idle time. */
  activity: Activity | undefined;
  spans: RequestSpans | undefined;
  /** The route of a sandbox that is the caller's and runs, or that could be woken. */
  runningRoute(
    target: SandboxAddress,
    caller: Caller,
    request: ClientRequest,
    head: RequestHead,
    client: ClientConnection,
    trail: RequestTrail,
  ): Route | Refusal | Promise<Route | Refusal>;
}

/** A guest has no credential of the owner's; the preview is looked at instead (guests.ts). */
const NONE: Credential = { kind: 'key', hash: '' };

/** One request on its way through. */
interface Passing {
  host: string;
  asked: PreviewRequest;
  request: ClientRequest;
  client: ClientConnection;
  trail: RequestTrail;
  traceparent: string;
}

/** A link was opened: the browser gets its cookie, and comes back without the link in its address. */
export class OpenedLink {
  static readonly status = 303;

  constructor(
    readonly location: string,
    readonly cookie: string,
  ) {}
}

/**
 * Who gets in on the domain of previews: an API key or token as everywhere; the cookie that a link was turned into; everybody, where the
 * owner has said so. Guests wake nothing, and see of a sandbox that they may not see exactly what they see of one that does not exist.
 */
export class PreviewAdmissions {
  readonly domain: PreviewDomain;
  readonly guests: Guests;

  constructor(
    private readonly options: PreviewOptions,
    private readonly around: PreviewSurroundings,
  ) {
    this.domain = new PreviewDomain(options.domain);
    this.guests = new Guests(around.directory, around.now);
  }

  async admit(
    host: string,
    request: ClientRequest,
    client: ClientConnection,
    trail: RequestTrail,
  ): Promise<Admission | OpenedLink | Refusal> {
    const method = request.method!;
    const asked = readPreviewRequest(request.url!, request.rawHeaders, request.httpVersion, this.isOurs);
    if (asked instanceof Refusal) return asked;
    trail.path = asked.path;
    const traceparent = this.around.spans?.begin(trail, asked.head.traceparent) ?? asked.head.traceparent ?? newTraceparent();
    const passing = { host, asked, request, client, trail, traceparent };
    if (!HTTP_VERSIONS.has(request.httpVersion)) return badRequest('Only HTTP/1.1, HTTP/1.0 and, over TLS, HTTP/2 are understood');
    if (method === 'TRACE') return new Refusal('METHOD_NOT_ALLOWED', 'TRACE is not allowed', { allow: ALLOWED });
    const address = this.domain.addressOf(host);
    if (!address) return new Refusal('NOT_FOUND', 'This is no preview address: {port}-{sandbox}-{user}, each hyphen of a name doubled');
    if (asked.credential === undefined || asked.link !== undefined) return this.guest(address, passing);

    const caller = await authenticate(this.around, asked.credential, this.around.now(), trail);
    if (caller instanceof Refusal) return caller;
    const target = { username: address.username, sandbox: address.sandbox, port: String(address.port) };
    const route = await this.around.runningRoute(target, caller, request, asked.head, client, trail);
    if (route instanceof Refusal) return route;
    if (route.name !== address.sandbox) return notFound(); // by another name that paths may use; an address has one spelling
    return this.to(route, address, passing);
  }

  private readonly isOurs = (credential: string): boolean => isApiKey(credential) || (this.around.tokens?.isOurs(credential) ?? false);

  private async guest(address: PreviewAddress, passing: Passing): Promise<Admission | OpenedLink | Refusal> {
    const { host, asked, request, trail } = passing;
    const { directory, limits, now } = this.around;
    const route = await directory.route(address.username, address.sandbox);
    const owner = route && (await directory.user(route.owner));
    const preview = route && owner?.status === 'active' ? this.openPreview(route, host, address, asked, now()) : undefined;
    if (!route || !preview) return notLetIn(asked, trail);
    trail.sandbox = route.name;
    trail.sandboxId = route.sandboxId;
    if (asked.link !== undefined) return this.openLink(host, preview, asked, request, trail);
    const isWebSocket = trail.kind === 'websocket';
    if (!preview.public && mayBeForged(asked, request.method!, this.domain.originOf(host), isWebSocket))
      return new Refusal('FORBIDDEN', 'A preview is opened in a tab of its own; other pages cannot use its cookie');

    const guest = { userId: route.owner, username: route.username, keyId: preview.id, credential: NONE, limits: owner!.limits };
    trail.caller = guest;
    const limited = limits.take(guest, trail);
    if (limited) return limited;
    if (route.state !== 'running') return notReady(route.state);
    if (route.idleTimeoutSeconds !== undefined) this.around.activity?.begin(trail);
    trail.guest = this.guests.join(route, preview);
    return this.to(route, address, passing);
  }

  /** By the link, or the cookie, or to everybody. */
  private openPreview(
    { previews = [], state }: RouteRecord,
    host: string,
    { port }: PreviewAddress,
    { link, pass }: PreviewRequest,
    now: number,
  ): RoutePreview | undefined {
    if (state === 'deleting' || state === 'deleted') return undefined;
    const open = previews.filter((preview) => preview.port === port && Date.parse(preview.expiresAt) > now);
    const verify = (kind: 'link' | 'cookie', text: string | undefined) =>
      text === undefined ? undefined : verifyPass(kind, text, withoutPort(host), this.options.key, now);
    const shown = link === undefined ? verify('cookie', pass) : verify('link', link);
    const byPass = shown && open.find(({ id }) => id === shown.previewId);
    return byPass ?? (link === undefined ? open.find((preview) => preview.public) : undefined);
  }

  private openLink(
    host: string,
    preview: RoutePreview,
    asked: PreviewRequest,
    request: ClientRequest,
    trail: RequestTrail,
  ): OpenedLink | Refusal {
    if ((request.method !== 'GET' && request.method !== 'HEAD') || trail.kind === 'websocket') return badRequest('A link is opened by GET');
    const expiresAt = Math.ceil(Date.parse(preview.expiresAt) / 1000);
    const pass = signPass('cookie', { previewId: preview.id, expiresAt }, withoutPort(host), this.options.key);
    const seconds = Math.max(1, expiresAt - Math.floor(this.around.now() / 1000));
    // Lax and not Strict: the link is opened from somewhere else, and the redirect must find the cookie.
    const cookie = `${PREVIEW_COOKIE}=${pass}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${seconds}`;
    return new OpenedLink(this.domain.originOf(host) + asked.forward, cookie);
  }

  private to(
    route: Route,
    address: PreviewAddress,
    { asked: { head, forward }, request, trail, traceparent }: Passing,
  ): Admission | Refusal {
    const port = portOf(route, String(address.port));
    if (!port) return route.ports.length > 0 ? new Refusal('NOT_FOUND', 'The sandbox does not declare this port') : notReady('starting');
    trail.port = port.port;
    const method = request.method!;
    const lines = `${method} ${forward} HTTP/1.1\r\n${forwardedLines(head, trail, traceparent)}`;
    const { address: to, protocol } = port;
    return { to: 'sandbox', address: to, protocol, method, head, lines, bodyLimit: Infinity, isolation: new OwnOrigin() };
  }
}

function notLetIn({ link, pass }: PreviewRequest, trail: RequestTrail): Refusal {
  trail.reason = link !== undefined ? 'link not accepted' : pass !== undefined ? 'cookie not accepted' : 'no key';
  if (link !== undefined || pass !== undefined)
    return new Refusal('UNAUTHENTICATED', 'This preview has ended: it expired or was revoked. Ask whoever sent the link for a new one');
  return new Refusal('UNAUTHENTICATED', 'This preview is opened by its link, or with an API key as Authorization: Bearer <key>');
}
