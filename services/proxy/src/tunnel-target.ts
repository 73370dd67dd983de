import { nameOfId } from '@sandlot/contracts';
import { idPattern } from '@sandlot/kernel';
import { badRequest, Refusal } from './problem.js';
import { readRequestHead, type RequestHead } from './header-hygiene.js';
import { ALLOWED } from './request-target.js';
import type { SandboxAddress } from './routing.js';

/** What a CONNECT asks for, parsed once and strictly. */
export interface TunnelTarget extends SandboxAddress {
  /** As it came, without the query, for the record. */
  path: string;
}

const NAME = '[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?';
const PORT = '[1-9][0-9]{0,4}|[a-z](?:[a-z0-9-]{0,13}[a-z0-9])?';
const AUTHORITY = new RegExp(`^(${NAME})(?:\\.(${NAME}))?:(${PORT})$`);
const SESSION = idPattern('sbx').source.slice(1, -1);
const PATH = new RegExp(`^((?:/api/v1|/api|/v1)/(?:sandboxes|sessions)/(${NAME}|${SESSION})/tunnel)(?:\\?port=(${PORT}))?$`);
const ANY_TUNNEL_PATH = /^(?:\/api\/v1|\/api|\/v1)\/(?:sandboxes|sessions)\/[^/?]+\/tunnel(?:\?|$)/;

/** Whether a request that is no CONNECT asks for a tunnel nevertheless: as a WebSocket, or by mistake. */
export const isTunnelPath = (raw: string): boolean => ANY_TUNNEL_PATH.test(raw);

/** How a tunnel is asked for at its path. */
export const TUNNEL_METHODS = ['CONNECT', 'GET'];

/**
 * `{sandbox}:{port}` and `{sandbox}.{username}:{port}`, which is all that ordinary clients can send, and the path
 * `/v1/sessions/{name}/tunnel?port=` of older ones, whose port is by default the one for SSH. Nothing else is ever dialled: this is no
 * way to the network.
 */
export function parseTunnelTarget(raw: string): TunnelTarget | Refusal {
  if (raw.charCodeAt(0) === 0x2f) {
    const [, path, sandbox, port] = PATH.exec(raw) ?? [];
    if (!path) return new Refusal('METHOD_NOT_ALLOWED', 'CONNECT is not allowed here; ask for {sandbox}:{port}', { allow: ALLOWED });
    return { path, username: undefined, sandbox: nameOfId(sandbox!), port };
  }
  const [path, sandbox, username, port] = AUTHORITY.exec(raw) ?? [];
  if (!path) return badRequest('CONNECT needs {sandbox}:{port} or {sandbox}.{username}:{port}');
  return { path, username, sandbox: sandbox!, port };
}

const CREDENTIALS = /^(?:Bearer +([\x21-\x7e]+)|Basic +([A-Za-z0-9+/]+={0,2}))$/i;

/** The headers of a CONNECT: as those of any request, and a key may come in Proxy-Authorization, as a token or as Basic's password. */
export function readTunnelHead(raw: readonly string[], httpVersion: string): RequestHead | Refusal {
  const head = readRequestHead(raw, httpVersion);
  if (head instanceof Refusal) return head;
  if (head.body !== undefined && head.body !== 0) return badRequest('CONNECT has no body');
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.toLowerCase() !== 'proxy-authorization') continue;
    if (head.credential !== undefined) return badRequest('More than one credential');
    const [, token, basic] = CREDENTIALS.exec(raw[i + 1]!) ?? [];
    head.credential = token ?? (basic === undefined ? '' : keyOf(Buffer.from(basic, 'base64').toString('latin1')));
  }
  return head;
}

/** Basic's password is the key, whatever the user is called; where a client has no password to give, its user is. */
function keyOf(userAndPassword: string): string {
  const colon = userAndPassword.indexOf(':');
  if (colon < 0) return '';
  return userAndPassword.slice(colon + 1) || userAndPassword.slice(0, colon);
}
