import { Injectable, type INestApplication } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import type { OpenAPIObject } from '@nestjs/swagger';
import { openApiDocument, version } from '@sandlot/service-kit';
import { z } from 'zod';
import { headersOf, operationOf } from '../http/operation.js';
import { workspacePaths } from './workspace-paths.js';

const info = {
  title: 'Sandlot',
  version,
  description:
    'Isolated sandboxes for users and AI agents. `/api/…` and `/v1/…` are the same routes as `/api/v1/…`. Every refusal is a problem ' +
    '(RFC 9457) with a stable `code`. Every change answers `Sandlot-Position`, which a list takes to show at least that change.',
};

/** The OpenAPI document, made when it is first asked for: what it needs is 15 MB. */
@Injectable()
export class ApiDocument {
  private app?: INestApplication;
  private document?: Promise<OpenAPIObject>;

  constructor(private readonly discovery: DiscoveryService) {}

  /** Called once, before the application starts. */
  describes(app: INestApplication): void {
    this.app = app;
  }

  get(): Promise<OpenAPIObject> {
    return (this.document ??= this.make().catch((error: unknown) => {
      this.document = undefined;
      throw error;
    }));
  }

  private async make(): Promise<OpenAPIObject> {
    if (!this.app) throw new Error('the document describes no application yet');
    await this.tellSwagger();
    const document = await openApiDocument(this.app, info);
    return { ...document, paths: { ...document.paths, ...workspacePaths } };
  }

  /** What the routes say of themselves, in the terms of @nestjs/swagger. */
  private async tellSwagger(): Promise<void> {
    const { ApiHeader, ApiOperation, ApiResponse } = await import('@nestjs/swagger');
    for (const { metatype } of this.discovery.getControllers()) {
      const prototype = (metatype as { prototype: object }).prototype;
      for (const [method, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
        const handler = descriptor.value as object;
        const operation = typeof handler === 'function' ? operationOf(handler) : undefined;
        if (!operation) continue;
        ApiOperation({ summary: operation.summary })(prototype, method, descriptor);
        for (const { name, description, pattern } of headersOf(handler)) {
          const schema = { type: 'string' as const, ...(pattern !== undefined && { pattern }) };
          ApiHeader({ name, description, required: false, schema })(prototype, method, descriptor);
        }
        for (const [status, answer] of Object.entries(operation.answers)) {
          const body = answer instanceof z.ZodType ? { description: operation.summary, standardSchema: answer } : { description: answer };
          ApiResponse({ status: Number(status), ...body })(prototype, method, descriptor);
        }
      }
    }
  }
}
