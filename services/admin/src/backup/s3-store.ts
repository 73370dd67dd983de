import { AwsClient } from 'aws4fetch';
import type { BackupStore } from './store.js';

export interface S3Access {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly region: string;
  /** `https://storage.example.com`; default: Amazon's of the region. */
  readonly endpoint?: string;
}

const attemptWithinMs = 120_000;

/** A bucket of anything that speaks S3, addressed by path: Amazon, Google (HMAC keys), MinIO, Ceph. */
export class S3Store implements BackupStore {
  readonly kind = 's3';
  readonly place: string;
  private readonly client: AwsClient;
  private readonly bucket: string;
  private readonly prefix: string;
  private readonly base: string;

  /** @param url `s3://bucket/prefix` */
  constructor(url: string, { region, endpoint, ...keys }: S3Access) {
    const { host, pathname } = new URL(url);
    this.place = url.replace(/\/+$/, '');
    this.bucket = host;
    const prefix = pathname.replace(/^\/+|\/+$/g, '');
    this.prefix = prefix && `${prefix}/`;
    this.base = (endpoint ?? `https://s3.${region}.amazonaws.com`).replace(/\/+$/, '');
    this.client = new AwsClient({ ...keys, region, service: 's3', retries: 4 });
  }

  async put(name: string, content: Uint8Array): Promise<void> {
    await this.send('PUT', this.urlOf(name), content);
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    const response = await this.send('GET', this.urlOf(name), undefined, [404]);
    return response.status === 404 ? undefined : new Uint8Array(await response.arrayBuffer());
  }

  async list(prefix: string): Promise<string[]> {
    const names: string[] = [];
    for (let token: string | undefined = ''; token !== undefined;) {
      const query = new URLSearchParams({ 'list-type': '2', prefix: this.prefix + prefix, ...(token && { 'continuation-token': token }) });
      const page: string = await (await this.send('GET', `${this.base}/${this.bucket}?${query}`)).text();
      for (const [, key] of page.matchAll(/<Key>([^<]*)<\/Key>/g)) names.push(unescaped(key!).slice(this.prefix.length));
      token = /<NextContinuationToken>([^<]*)</.exec(page)?.[1];
      if (token !== undefined) token = unescaped(token);
    }
    return names.sort();
  }

  async remove(name: string): Promise<void> {
    await this.send('DELETE', this.urlOf(name), undefined, [404]);
  }

  private urlOf(name: string): string {
    return `${this.base}/${this.bucket}/${(this.prefix + name).split('/').map(encodeURIComponent).join('/')}`;
  }

  private async send(method: string, url: string, body?: Uint8Array, expected: readonly number[] = []): Promise<Response> {
    const response = await this.client
      .fetch(url, { method, ...(body && { body: Buffer.from(body) }), signal: AbortSignal.timeout(attemptWithinMs) })
      .catch((cause: unknown) => {
        throw new Error(`${new URL(url).host} cannot be reached`, { cause });
      });
    if (response.ok || expected.includes(response.status)) return response;
    const code = /<Code>([^<]*)</.exec(await response.text())?.[1] ?? 'no reason given';
    throw new Error(`${this.place}: ${method} was refused with ${response.status}, ${code}`);
  }
}

const unescaped = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" })[name]!);
