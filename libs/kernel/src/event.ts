import type { z } from 'zod';

/** Something that happened. What surrounds it (id, time, actor, position, hashes) is the envelope's. */
export interface Fact<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
}

/** Declares a kind of fact. The version is part of the type: a changed shape is a new type with an upcaster from the old. */
export function defineEvent<Type extends `${string}.${string}.v${number}`, Schema extends z.ZodType>(type: Type, schema: Schema) {
  const create = (data: z.output<Schema>): Fact<Type, z.output<Schema>> => ({ type, data });
  return Object.assign(create, { type, schema });
}

export type EventOf<Definition extends (...args: never[]) => Fact> = ReturnType<Definition>;
