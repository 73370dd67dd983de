import { AbstractHttpAdapter } from '@nestjs/core';

/**
 * Nest connects several transports only to an application with an HTTP adapter. Services that serve no HTTP get one that does nothing,
 * which saves them a web framework.
 */
export class NoopHttpAdapter extends AbstractHttpAdapter {
  constructor() {
    super({});
  }
  override close(): void {}
  override initHttpServer(): void {
    this.httpServer = { once: () => undefined, removeListener: () => undefined, address: () => null };
  }
  override useStaticAssets(): void {}
  override setViewEngine(): void {}
  override getRequestHostname(): string {
    return '';
  }
  override getRequestMethod(): string {
    return '';
  }
  override getRequestUrl(): string {
    return '';
  }
  override status(): void {}
  override reply(): void {}
  override end(): void {}
  override render(): void {}
  override redirect(): void {}
  override setErrorHandler(): void {}
  override setNotFoundHandler(): void {}
  override isHeadersSent(): boolean {
    return false;
  }
  override getHeader(): undefined {
    return undefined;
  }
  override setHeader(): void {}
  override appendHeader(): void {}
  override registerParserMiddleware(): void {}
  override enableCors(): void {}
  override createMiddlewareFactory(): () => void {
    return () => undefined;
  }
  override getType(): string {
    return 'none';
  }
  override applyVersionFilter(): () => () => void {
    return () => () => undefined;
  }
}
