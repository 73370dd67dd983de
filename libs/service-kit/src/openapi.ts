import type { INestApplication } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import type { OpenAPIObject } from '@nestjs/swagger';
import { errorTable } from '@sandlot/kernel';
import { z } from 'zod';
import { routesOf, type GuardedRoute } from './permission-guard.js';

export interface ApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
}

type Schema = Record<string, unknown>;
type Body = { required?: boolean; content: Record<string, { schema: Schema }> };
type Operation = {
  operationId?: string;
  description?: string;
  security?: unknown[];
  requestBody?: Body;
  responses: Record<string, unknown>;
};

const FieldErrorSchema = z.object({
  pointer: z.string().describe('JSON Pointer (RFC 6901)'),
  in: z.enum(['body', 'query', 'path']).optional(),
  detail: z.string(),
  code: z.string(),
});

/** RFC 9457. Refusals of some codes have more members. */
export const ProblemSchema = z
  .looseObject({
    type: z.string().describe('where docs say more'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(Object.keys(errorTable) as [string, ...string[]]),
    requestId: z.string(),
    retryable: z.boolean(),
    hint: z.string(),
    errors: z.array(FieldErrorSchema).optional(),
  })
  .meta({ id: 'Problem' });

/**
 * The OpenAPI 3.1 document of the application's routes: operations named `sandboxes_create`, with the permission that each needs and
 * the problem that each may answer with; every schema with an id is a component. Loads @nestjs/swagger (15 MB) at the first call.
 */
export async function openApiDocument(app: INestApplication, info: ApiInfo): Promise<OpenAPIObject> {
  const { DocumentBuilder, SwaggerModule } = await import('@nestjs/swagger');
  const config = new DocumentBuilder()
    .setTitle(info.title)
    .setVersion(info.version)
    .setDescription(info.description)
    .setOpenAPIVersion('3.1.1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key, slk_…' }, 'bearer')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'An API key, slk_…' }, 'apiKey')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    standardSchemaConverter: toJsonSchema,
    operationIdFactory: operationId,
  });
  const problemSchema = toJsonSchema(ProblemSchema, { schemaType: 'output' });
  document.components = { ...document.components, schemas: { ...document.components?.schemas, ...(problemSchema?.components as object) } };
  const access = new Map(routesOf(app.get(DiscoveryService)).map((route) => [operationId(route.controller, route.method), route.access]));
  for (const item of Object.values(document.paths)) {
    for (const operation of Object.values(item as Record<string, Operation>)) {
      if (typeof operation?.operationId !== 'string') continue;
      complete(operation, access.get(operation.operationId));
      if (operation.requestBody && mayBeMissing(operation.requestBody, document.components.schemas as Record<string, Schema>))
        operation.requestBody.required = false;
    }
  }
  return document;
}

/** `SandboxesController.create` is `sandboxes_create`. */
export function operationId(controller: string, method: string): string {
  const group = controller.replace(/Controller$/, '');
  return `${group.charAt(0).toLowerCase()}${group.slice(1)}_${method}`;
}

function complete(operation: Operation, access: GuardedRoute['access']): void {
  operation.responses.default ??= {
    description: 'A refusal',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  if (access === 'public') {
    operation.security = [];
    return;
  }
  operation.security = [{ bearer: [] }, { apiKey: [] }];
  operation.description = [operation.description, `Permission: \`${access}\`.`].filter(Boolean).join('\n\n');
}

/** Where there is a default for all of it. */
function mayBeMissing({ content }: Body, schemas: Record<string, Schema>): boolean {
  return Object.values(content).some(({ schema }) => {
    const named = typeof schema['$ref'] === 'string' ? schemas[schema['$ref'].split('/').at(-1)!] : schema;
    return named?.['default'] !== undefined;
  });
}

/** JSON Schema 2020-12 of a zod schema. One with an id, at whatever depth, becomes a component. */
function toJsonSchema(
  schema: unknown,
  { schemaType }: { schemaType: 'input' | 'output' },
): { schema: unknown; components: Record<string, unknown> } | undefined {
  if (!(schema instanceof z.ZodType)) return undefined;
  const {
    $schema: _,
    $defs,
    ...root
  } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: schemaType, unrepresentable: 'any' }) as Schema & {
    $defs?: Record<string, Schema>;
  };
  const components = Object.fromEntries(Object.entries($defs ?? {}).map(([name, { id: _id, ...definition }]) => [name, definition]));
  const { id, ...inline } = root;
  if (typeof id !== 'string') return { schema: inline, components };
  return { schema: { $ref: `#/components/schemas/${id}` }, components: { ...components, [id]: inline } };
}
