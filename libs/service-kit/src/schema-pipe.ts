import type { ArgumentMetadata, PipeTransform } from '@nestjs/common';
import { validationFailed, type FieldError, type SchemaIssue } from './problem.js';

const places: Record<string, FieldError['in']> = { body: 'body', query: 'query', param: 'path' };

/**
 * Parses what a route takes by the schema beside it: `@Body({ schema: CreateSandboxBody }) body`. Nest's own pipe knows neither which
 * fields are at fault nor where they stand, once it reports.
 */
export class SchemaPipe implements PipeTransform {
  async transform(value: unknown, { type, schema }: ArgumentMetadata): Promise<unknown> {
    if (!schema || type === 'custom') return value;
    const result = await schema['~standard'].validate(value);
    if (result.issues) throw validationFailed(result.issues as readonly SchemaIssue[], places[type]);
    return result.value;
  }
}
