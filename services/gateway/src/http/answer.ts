/**
 * What a route answers, where that is more than a body with the usual status. Plain data, so that it can be kept and given again for a
 * repeated request. Header names are lower-case.
 */
export class Answer {
  constructor(
    readonly status: number,
    readonly headers: Readonly<Record<string, string>> = {},
    readonly body?: unknown,
  ) {}

  with(headers: Readonly<Record<string, string>>): Answer {
    return new Answer(this.status, { ...this.headers, ...headers }, this.body);
  }
}

export interface Versioned {
  readonly version: number;
}

export const POSITION_HEADER = 'sandlot-position';

export const found = (resource: Versioned): Answer => new Answer(200, etag(resource), resource);

export const created = (position: number, location: string, resource: Versioned): Answer =>
  new Answer(201, { ...at(position), ...etag(resource), location }, resource);

export const changed = (position: number, resource: Versioned): Answer => new Answer(200, { ...at(position), ...etag(resource) }, resource);

/** Will be so; what becomes of it is at the location. */
export const accepted = (position: number, location: string, resource?: Versioned): Answer =>
  new Answer(202, { ...at(position), ...(resource && etag(resource)), location }, resource);

export const done = (position?: number): Answer => new Answer(204, position === undefined ? {} : at(position));

export const at = (position: number): Record<string, string> => ({ [POSITION_HEADER]: String(position) });

const etag = ({ version }: Versioned): Record<string, string> => ({ etag: `"${version}"` });
