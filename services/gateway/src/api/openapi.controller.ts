import { Controller, Get, Header } from '@nestjs/common';
import { Public } from '@sandlot/service-kit';
import { Operation } from '../http/operation.js';
import { ApiDocument } from '../openapi/api-document.js';
import { toYaml } from '../openapi/yaml.js';

@Controller()
export class OpenapiController {
  constructor(private readonly document: ApiDocument) {}

  @Get('openapi.json')
  @Public()
  @Operation('This document', { 200: 'OpenAPI 3.1' })
  json() {
    return this.document.get();
  }

  @Get('openapi.yaml')
  @Public()
  @Header('content-type', 'application/yaml')
  @Operation('This document in YAML', { 200: 'OpenAPI 3.1' })
  async yaml(): Promise<string> {
    return toYaml(await this.document.get());
  }
}
