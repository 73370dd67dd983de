import { previewOrigin, readPreviewLabel, type PreviewAddress } from '@sandlot/contracts';

/**
 * The wildcard domain of previews. Whatever is asked for on it or below it, in any spelling, is a preview's or nobody's, and never the
 * API's; and only the one spelling that an address has is a preview's.
 */
export class PreviewDomain {
  private readonly name: string;
  private readonly scheme: string;

  /** @param domain with the port where it is not the usual one */
  constructor(domain: string) {
    this.name = withoutPort(domain);
    this.scheme = new URL(previewOrigin('x', domain)).protocol;
  }

  /** The Host that puts a request on this domain, as it came; undefined when none does. */
  hostOf(rawHeaders: readonly string[]): string | undefined {
    for (let i = 0; i < rawHeaders.length; i += 2) {
      if (rawHeaders[i]!.length !== 4 || rawHeaders[i]!.toLowerCase() !== 'host') continue;
      const host = rawHeaders[i + 1]!;
      const name = withoutPort(host).toLowerCase().replace(/\.$/, '');
      if (name.endsWith(this.name) && (name.length === this.name.length || name.at(-this.name.length - 1) === '.')) return host;
    }
    return undefined;
  }

  /** What that host stands for; undefined when it is nobody's. */
  addressOf(host: string): PreviewAddress | undefined {
    const name = withoutPort(host);
    return name.endsWith(`.${this.name}`) ? readPreviewLabel(name.slice(0, -this.name.length - 1)) : undefined;
  }

  originOf(host: string): string {
    return `${this.scheme}//${host}`;
  }
}

/** What a pass is signed for. */
export function withoutPort(host: string): string {
  return host.replace(/:[0-9]*$/, '');
}
