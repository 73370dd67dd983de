import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Api } from './api.js';
import { FolderStore } from './backup/folder-store.js';
import { S3Store } from './backup/s3-store.js';
import type { BackupStore } from './backup/store.js';
import { s3AccessFrom, settingsFrom, type AdminSettings } from './config.js';
import type { Environment, LoadedConfig } from '@sandlot/service-kit';
import { Failure } from './failure.js';
import { Output, type Format, type Streams } from './output.js';

/** What stands before or behind every command. */
export interface GlobalOptions {
  readonly output: Format;
  readonly url?: string;
  readonly keyFile?: string;
  readonly dataDir?: string;
  readonly quiet?: boolean;
}

/** What a command works with. Nothing is opened before it is needed: most commands need only the API, some only NATS. */
export class Session {
  readonly output: Output;
  readonly settings: AdminSettings;
  readonly sources: LoadedConfig['sources'];

  constructor(
    private readonly options: GlobalOptions,
    private readonly env: Environment,
    streams: Streams,
  ) {
    this.output = new Output(streams, options.output, options.quiet ?? false);
    const fromFlags = { ...(options.url && { SANDLOT_URL: options.url }), ...(options.dataDir && { SANDLOT_DATA_DIR: options.dataDir }) };
    ({ values: this.settings, sources: this.sources } = settingsFrom({ ...env, ...fromFlags }));
  }

  get keyFile(): string {
    return this.options.keyFile ?? this.settings.SANDLOT_ADMIN_KEY_PATH ?? join(this.settings.SANDLOT_DATA_DIR, 'admin.key');
  }

  async api(): Promise<Api> {
    const { SANDLOT_URL: url, SANDLOT_PORT: port } = this.settings;
    const file = this.keyFile;
    const key = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new Failure(
        'unauthorized',
        `no API key can be read from ${file} (${cause.code})`,
        { hint: 'Name the file with --key-file.' },
        { cause },
      );
    });
    return new Api((url ?? `http://127.0.0.1:${port}`).replace(/\/+$/, ''), key.trim());
  }

  /** @param place a folder, or `s3://bucket/prefix` */
  store(place: string): BackupStore {
    if (!/^[a-z0-9]+:\/\//.test(place)) return new FolderStore(place);
    if (place.startsWith('s3://')) return new S3Store(place, s3AccessFrom(this.env));
    throw new Failure('usage', `${place} is neither a folder nor s3://bucket/prefix`);
  }
}
