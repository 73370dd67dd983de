import type { z } from 'zod';
import type { Fact } from '@sandlot/kernel';
import * as apikey from './events/apikey-events.js';
import * as discovery from './events/discovery-events.js';
import * as ledger from './events/ledger-events.js';
import * as masterkey from './events/masterkey-events.js';
import * as namespace from './events/namespace-events.js';
import * as operation from './events/operation-events.js';
import * as preview from './events/preview-events.js';
import * as route from './events/route-events.js';
import * as runtime from './events/runtime-events.js';
import * as sandbox from './events/sandbox-events.js';
import * as user from './events/user-events.js';

export interface EventDefinition {
  readonly type: string;
  readonly schema: z.ZodType;
}

function definitionsOf(module: Record<string, unknown>): EventDefinition[] {
  return Object.values(module).filter(
    (value): value is EventDefinition & (() => Fact) => typeof value === 'function' && 'type' in value && 'schema' in value,
  );
}

/** Every event that this version can read or write, by type. docs/reference/events.md is generated from it. */
export const catalogue: ReadonlyMap<string, EventDefinition> = new Map(
  [user, apikey, masterkey, ledger, namespace, sandbox, preview, route, runtime, discovery, operation]
    .flatMap(definitionsOf)
    .map((definition) => [definition.type, definition]),
);

/**
 * From an old version of an event to the next. Empty as long as nothing has changed its shape; docs/how-to/add-an-event-version.md.
 * An upcaster is total: it never throws on what the old schema accepts.
 */
export const upcasters: Readonly<Record<string, (data: never) => Fact>> = {};

/** The fact in its newest version, or undefined when this version does not know the type. Throws when the data is not what the type says. */
export function readFact(type: string, data: unknown): Fact | undefined {
  const upcaster = upcasters[type];
  if (upcaster) {
    const next = upcaster(data as never);
    return readFact(next.type, next.data);
  }
  const definition = catalogue.get(type);
  return definition && { type, data: definition.schema.parse(data) };
}

/** Whether this version knows the event, but only in an older shape: a newer service has written it. One of a kind that it does not know is none. */
export function isNewerVersion(type: string): boolean {
  const mark = type.lastIndexOf('.v');
  if (mark < 0 || catalogue.has(type) || type in upcasters) return false;
  const [kind, version] = [type.slice(0, mark + 2), Number(type.slice(mark + 2))];
  return [...catalogue.keys()].some((known) => known.startsWith(kind) && Number(known.slice(kind.length)) < version);
}
