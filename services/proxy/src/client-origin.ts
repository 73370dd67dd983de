import { BlockList, isIP } from 'node:net';

/** Where a request comes from, as it is recorded and told to the sandbox. */
export interface ClientOrigin {
  readonly ip: string;
  /** The header lines that say so. */
  readonly forwardedLines: string;
}

export function clientOrigin(ip: string, proto: 'http' | 'https'): ClientOrigin {
  return { ip, forwardedLines: `x-forwarded-for: ${ip}\r\nx-forwarded-proto: ${proto}\r\n` };
}

const familyOf = (ip: string) => (isIP(ip) === 6 ? 'ipv6' : 'ipv4');

/** Undefined where it is neither an address nor a network of some. */
function readNetwork(text: string): { ip: string; bits: number } | undefined {
  const [ip = '', bits, more] = text.split('/');
  const most = isIP(ip) === 6 ? 128 : 32;
  if (isIP(ip) === 0 || more !== undefined || (bits !== undefined && !/^\d{1,3}$/.test(bits)) || Number(bits ?? most) > most)
    return undefined;
  return { ip, bits: Number(bits ?? most) };
}

export const isNetwork = (text: string): boolean => readNetwork(text) !== undefined;

/**
 * Proxies that stand between clients and this one, and are believed when they say where a request comes from. Everybody can write
 * X-Forwarded-For, so it is read from its end: what the nearest of them has seen, and so on for as long as that is one of them too.
 */
export class TrustedProxies {
  private readonly known = new BlockList();

  /** @param networks addresses, or networks such as 10.0.0.0/8 */
  constructor(networks: readonly string[]) {
    for (const text of networks) {
      const network = readNetwork(text);
      if (!network) throw new Error(`not an address or network: ${text}`);
      this.known.addSubnet(network.ip, network.bits, familyOf(network.ip));
    }
  }

  trusts(ip: string): boolean {
    return isIP(ip) !== 0 && this.known.check(ip, familyOf(ip));
  }

  /** @param nearest of them, from which the request came */
  originOf(rawHeaders: readonly string[], nearest: ClientOrigin, ownProto: 'http' | 'https'): ClientOrigin {
    const hops = valuesOf(rawHeaders, 'x-forwarded-for');
    let { ip } = nearest;
    while (this.trusts(ip)) {
      const hop = addressOf(hops.pop());
      if (hop === undefined) break;
      ip = hop;
    }
    const said = valuesOf(rawHeaders, 'x-forwarded-proto').at(-1)?.toLowerCase();
    return clientOrigin(ip, said === 'https' || said === 'http' ? said : ownProto);
  }
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i]!.toLowerCase() === name) values.push(...rawHeaders[i + 1]!.split(',').map((value) => value.trim()));
  return values;
}

/** Some write a port behind it, and brackets around IPv6. */
function addressOf(hop: string | undefined): string | undefined {
  if (hop === undefined) return undefined;
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
  const ip = bare.replace(/^::ffff:(?=\d+\.)/, '');
  return isIP(ip) === 0 ? undefined : ip;
}
