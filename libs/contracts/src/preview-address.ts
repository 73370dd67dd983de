import type { Id } from '@sandlot/kernel';

/** What a preview address stands for: one port of one sandbox. */
export interface PreviewAddress {
  port: number;
  sandbox: string;
  username: string;
}

export type PreviewId = Id<'prv'>;

/** In the query of the link that lets a browser in; never passed on to the sandbox. */
export const PREVIEW_LINK_PARAMETER = 'sandlot-preview';

const MAX_LABEL = 63;
// A name neither begins nor ends with a hyphen. Inside it hyphens come in pairs, so a single one can only stand between two names.
const NAME = '[a-z](?:[a-z0-9]|(?:--)+(?=[a-z0-9]))*';
const LABEL = new RegExp(`^([1-9][0-9]{0,4})-(${NAME})-(${NAME})$`);

/** `{port}-{sandbox}-{user}` with every hyphen of a name doubled; undefined when that is longer than a DNS label may be. */
export function previewLabel({ port, sandbox, username }: PreviewAddress): string | undefined {
  const label = [port, sandbox.replaceAll('-', '--'), username.replaceAll('-', '--')].join('-');
  return label.length <= MAX_LABEL ? label : undefined;
}

/** Undefined for anything that `previewLabel` does not make. Nothing is guessed or made lower-case: one address, one spelling. */
export function readPreviewLabel(label: string): PreviewAddress | undefined {
  const [, port, sandbox, username] = LABEL.exec(label) ?? [];
  if (label.length > MAX_LABEL || !port || !sandbox || !username || Number(port) > 65_535) return undefined;
  return { port: Number(port), sandbox: sandbox.replaceAll('--', '-'), username: username.replaceAll('--', '-') };
}

/** Where a browser finds it. Only on the machine itself, below localhost, without TLS. */
export function previewOrigin(label: string, domain: string): string {
  return `${/(?:^|\.)localhost(?::\d+)?$/.test(domain) ? 'http' : 'https'}://${label}.${domain}`;
}
