import { SetMetadata } from '@nestjs/common';
import type { z } from 'zod';

/** What the API's document says of a route, beyond what Nest knows: kept here, because @nestjs/swagger is not loaded before it is needed. */
export interface OperationInfo {
  readonly summary: string;
  /** The body of each successful answer: a schema, or words for what has none. */
  readonly answers: Readonly<Record<number, z.ZodType | string>>;
}
export interface HeaderInfo {
  readonly name: string;
  readonly description: string;
  /** A regular expression of ECMA-262 for what is understood; everything is where there is none. */
  readonly pattern?: string;
}

const OPERATION = 'sandlot:operation';
const HEADERS = 'sandlot:headers';

export const Operation = (summary: string, answers: OperationInfo['answers']): MethodDecorator =>
  SetMetadata<string, OperationInfo>(OPERATION, { summary, answers });

export const operationOf = (handler: object): OperationInfo | undefined =>
  Reflect.getMetadata(OPERATION, handler) as OperationInfo | undefined;

/** Makes a parameter's decorator tell which request header the parameter is read from. */
export function documentsHeader(header: HeaderInfo): ParameterDecorator {
  return (target, method) => {
    const handler = (target as Record<PropertyKey, object>)[method!]!;
    Reflect.defineMetadata(HEADERS, [...headersOf(handler), header], handler);
  };
}

export const headersOf = (handler: object): readonly HeaderInfo[] =>
  (Reflect.getMetadata(HEADERS, handler) as HeaderInfo[] | undefined) ?? [];
