import { Body, Controller, Delete, Get, Param, Post } from '@nestjs/common';
import { OpenedPreview, OpenPreviewBody, PreviewList, provisionerMessages as provisioner, type PreviewId } from '@sandlot/contracts';
import type { CommandContext, UserId } from '@sandlot/kernel';
import { Caller, Permission, RpcClient } from '@sandlot/service-kit';
import type { z } from 'zod';
import { Answer, at, done } from '../http/answer.js';
import { Command } from '../http/command.js';
import { ofPreview } from '../http/existing-id.js';
import { Operation } from '../http/operation.js';
import { PreviewLinks } from '../preview-links.js';

/** Who is shown a port of the caller's sandboxes, in a browser, without a key. */
@Controller('api/v1/sandboxes/:name/previews')
export class PreviewsController {
  constructor(
    private readonly rpc: RpcClient,
    private readonly links: PreviewLinks,
  ) {}

  @Post()
  @Permission('preview:open')
  @Operation('Opens a preview of a port: an address of its own, and a link that lets a browser in; the link is shown only here', {
    201: OpenedPreview,
  })
  async open(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('name') name: string,
    @Body({ schema: OpenPreviewBody }) body: z.output<typeof OpenPreviewBody>,
  ) {
    this.links.check({ sandbox: name, username: caller.username });
    const { position, preview } = await this.rpc.call(provisioner.OpenPreview, { context, ...ofCaller(caller), name, ...body });
    const opened = this.links.opened(preview, { sandbox: name, username: caller.username });
    return new Answer(201, { ...at(position), location: `/api/v1/sandboxes/${encodeURIComponent(name)}/previews` }, opened);
  }

  @Get()
  @Permission('preview:read')
  @Operation('Lists the previews of a sandbox that are open', { 200: PreviewList })
  async list(@Caller() caller: Caller, @Param('name') name: string) {
    const { items } = await this.rpc.call(provisioner.ListPreviews, { ...ofCaller(caller), name });
    return { items: items.map((preview) => this.links.shown(preview, { sandbox: name, username: caller.username })) };
  }

  @Delete(':previewId')
  @Permission('preview:revoke')
  @Operation('Revokes a preview: its link, the cookies made from it and what is open by them end within a second', { 204: 'It is revoked' })
  async revoke(
    @Command() context: CommandContext,
    @Caller() caller: Caller,
    @Param('name') name: string,
    @Param('previewId', ofPreview) previewId: PreviewId,
  ) {
    const { position } = await this.rpc.call(provisioner.RevokePreview, { context, ...ofCaller(caller), name, previewId });
    return done(position);
  }
}

const ofCaller = ({ userId }: Caller) => ({ userId: userId as UserId });
