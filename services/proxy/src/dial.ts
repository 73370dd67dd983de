import { lookup } from 'node:dns/promises';
import { BlockList, connect, isIP, type Socket } from 'node:net';
import { shortReads } from './short-reads.js';

/**
 * Opens connections to upstreams. Every address is checked when it is dialled, after resolving it, whatever the route says:
 * a route that was tampered with must not turn the proxy into a door to the machine or the cloud's metadata service.
 */
export interface DialOptions {
  /** Only for the process runtime, whose sandboxes listen on this machine. Default false. */
  allowLoopback?: boolean;
  /** Milliseconds, resolving included. Default 3000. */
  connectTimeoutMs?: number;
  /** The IP address of a name. Default: as the machine resolves it. */
  resolve?: (host: string) => Promise<string>;
}

export class UpstreamFailure extends Error {
  override readonly name = 'UpstreamFailure';

  constructor(
    /** `refused`: with the assurance that nothing of the request was done. */
    readonly kind: 'unreachable' | 'timeout' | 'busy' | 'malformed' | 'reset' | 'refused',
    message: string,
    options?: ErrorOptions,
    /** With which a stream of HTTP/2 was reset (RFC 9113 §7). */
    readonly resetCode?: number,
  ) {
    super(message, options);
  }
}

const never = new BlockList();
never.addSubnet('0.0.0.0', 8);
never.addSubnet('169.254.0.0', 16); // link-local, and the metadata service of most clouds
never.addSubnet('224.0.0.0', 3); // multicast, reserved, broadcast
never.addAddress('100.100.100.200'); // Alibaba's metadata service
never.addAddress('168.63.129.16'); // Azure's
never.addSubnet('fe80::', 10, 'ipv6');
never.addSubnet('ff00::', 8, 'ipv6');
never.addAddress('fd00:ec2::254', 'ipv6'); // AWS's
// IPv4 in IPv6's clothes: NAT64, 6to4 and the old compatible form. (Mapped ones, ::ffff:a.b.c.d, are checked as the IPv4 inside.)
never.addSubnet('64:ff9b::', 96, 'ipv6');
never.addSubnet('2002::', 16, 'ipv6');
never.addSubnet('::', 96, 'ipv6');
const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

/** Why this IP address may not be dialled; undefined when it may. */
export function refuseAddress(ip: string, allowLoopback: boolean): string | undefined {
  const version = isIP(ip);
  if (version === 0) return 'not an IP address';
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (loopback.check(ip, family)) return allowLoopback ? undefined : 'a loopback address';
  return never.check(ip, family) ? 'a link-local, metadata, multicast, unspecified or disguised address' : undefined;
}

/** @param address `host:port` or `[ipv6]:port` */
export function parseAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  if (colon < 1 || !Number.isInteger(port) || port < 1 || port > 65535)
    throw new UpstreamFailure('unreachable', `not an address: ${address}`);
  return { host, port };
}

/** A connected socket, without listeners. @throws UpstreamFailure unreachable or timeout */
export async function dial(
  address: string,
  { allowLoopback = false, connectTimeoutMs = 3000, resolve = resolveName }: DialOptions = {},
): Promise<Socket> {
  const { host, port } = parseAddress(address);
  const deadline = Date.now() + connectTimeoutMs;
  const ip = isIP(host) ? host : await within(resolved(host, resolve), connectTimeoutMs, address);
  const refused = refuseAddress(ip, allowLoopback);
  if (refused) throw new UpstreamFailure('unreachable', `${address} is ${refused}, which is never dialled`);

  return new Promise((done, failed) => {
    const onread = shortReads((bytes) => socket.push(bytes));
    const socket = connect({ host: ip, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000, allowHalfOpen: true, onread });
    const timer = setTimeout(
      () => settle(new UpstreamFailure('timeout', `${address} did not accept a connection in time`)),
      deadline - Date.now(),
    );
    const onError = (cause: Error) => settle(new UpstreamFailure('unreachable', `${address} cannot be reached`, { cause }));
    const onConnect = () => settle(undefined);
    function settle(failure: UpstreamFailure | undefined) {
      clearTimeout(timer);
      socket.off('error', onError).off('connect', onConnect);
      if (!failure) return done(socket);
      socket.on('error', () => undefined).destroy();
      failed(failure);
    }
    socket.once('error', onError).once('connect', onConnect);
  });
}

/**
 * Whoever asks for a name while it is being looked up waits for the same answer; whoever asks later gets a new one. The system looks up few names
 * at a time, and cannot be told that nobody waits any more: a slow one would otherwise hold up all others, once for each connection.
 */
export function sharingLookUps(resolve: (host: string) => Promise<string>): (host: string) => Promise<string> {
  const underWay = new Map<string, Promise<string>>();
  return (host) => {
    let answer = underWay.get(host);
    if (!answer) underWay.set(host, (answer = resolve(host).finally(() => underWay.delete(host))));
    return answer;
  };
}

export const resolveName = sharingLookUps(async (host) => (await lookup(host)).address);

async function resolved(host: string, resolve: (host: string) => Promise<string>): Promise<string> {
  try {
    return await resolve(host);
  } catch (cause) {
    throw new UpstreamFailure('unreachable', `${host} does not resolve`, { cause });
  }
}

function within<T>(promise: Promise<T>, milliseconds: number, address: string): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, failed) => {
    timer = setTimeout(() => failed(new UpstreamFailure('timeout', `${address} did not resolve in time`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
