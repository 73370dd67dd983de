import { Problem } from './problem.js';

/** What a request line asks for. URL is not used to take it apart: it would resolve `..` before anyone could refuse it. */
export interface Target {
  /** As sent, still percent-encoded. */
  path: string;
  query: ReadonlyMap<string, string>;
}

export function parseTarget(url: string): Target {
  if (!url.startsWith('/')) throw new Problem('MALFORMED_REQUEST', 'The request target must be a path.');
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = new Map<string, string>();
  for (const pair of mark < 0 ? [] : url.slice(mark + 1).split('&')) {
    const [name = '', ...value] = pair.split('=');
    if (name) query.set(decodeQuery(name), decodeQuery(value.join('=')));
  }
  return { path, query };
}

/** The names in a percent-encoded path, as one text. An encoded slash is refused: it is either a mistake or an attempt. */
export function decodePath(encoded: string): string {
  return encoded
    .split('/')
    .map((segment) => {
      const name = decode(segment);
      if (name.includes('/')) throw new Problem('INVALID_PATH', 'The path has an encoded slash.');
      return name;
    })
    .join('/');
}

function decodeQuery(text: string): string {
  return decode(text.replaceAll('+', ' '));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Problem('MALFORMED_REQUEST', 'The URL is not percent-encoded UTF-8.');
  }
}
