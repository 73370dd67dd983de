import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Controller, Get, Header, Param } from '@nestjs/common';
import { DomainError } from '@sandlot/kernel';
import { Public } from '@sandlot/service-kit';
import { Operation } from '../http/operation.js';

const folder = fileURLToPath(new URL('../../../../docs/runbooks/', import.meta.url));
const plain = 'text/plain; charset=utf-8'; // browsers show it, which they do not do with text/markdown

/** Where the `runbook_url` of an alert leads: what to do, readable while everything else is away. */
@Controller('docs/runbooks')
export class RunbooksController {
  @Get()
  @Public()
  @Header('content-type', plain)
  @Operation('The names of all alerts, one a line', { 200: 'Text' })
  async list(): Promise<string> {
    const files = (await readdir(folder)).filter((file) => file.endsWith('.md')).sort();
    return files.map((file) => `/docs/runbooks/${file.slice(0, -'.md'.length)}\n`).join('');
  }

  @Get(':alert')
  @Public()
  @Header('content-type', plain)
  @Operation('What an alert means and what to do, in Markdown', { 200: 'Text' })
  async page(@Param('alert') alert: string): Promise<string> {
    const name = /^(\w{1,64})(?:\.md)?$/.exec(alert)?.[1];
    const text = name && (await readFile(`${folder}${name}.md`, 'utf8').catch(() => undefined));
    if (text) return text;
    throw new DomainError('NOT_FOUND', 'There is no such alert; GET /docs/runbooks lists them.');
  }
}
