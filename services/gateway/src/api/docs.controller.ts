import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import { DomainError } from '@sandlot/kernel';
import { Public } from '@sandlot/service-kit';
import type { FastifyReply } from 'fastify';
import { Operation } from '../http/operation.js';

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandlot API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;
const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true, persistAuthorization: false });\n`;

/** The viewer's files; everything is served from here, so that it works without the internet. */
const files: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};
const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

// The viewer sets styles on elements; scripts come from files alone.
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

@Controller('docs')
export class DocsController {
  @Get()
  @Public()
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', policy)
  @Operation('A page on which the API can be read and tried', { 200: 'HTML' })
  page(): string {
    return page;
  }

  @Get('start.js')
  @Public()
  @Header('content-type', 'text/javascript; charset=utf-8')
  @Operation('What starts the viewer', { 200: 'JavaScript' })
  start(): string {
    return start;
  }

  @Get(':file')
  @Public()
  @Operation("The viewer's files", { 200: 'CSS, JavaScript or an image' })
  async file(@Param('file') file: string, @Res() reply: FastifyReply): Promise<void> {
    const type = Object.hasOwn(files, file) ? files[file] : undefined;
    if (!type) throw new DomainError('NOT_FOUND', 'There is nothing at this path.');
    void reply.header('cache-control', 'public, max-age=3600').type(type);
    void reply.send(await readFile(join(folder, file)));
  }
}
