/** Where backups are kept: named blobs, written whole. Names are like paths, `20261126T213000Z/DOMAIN/00001`. */
export interface BackupStore {
  readonly kind: 'folder' | 's3';
  /** As the operator named it, without anything secret. */
  readonly place: string;
  put(name: string, content: Uint8Array): Promise<void>;
  /** Undefined when there is none of that name. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Names that begin so, sorted. */
  list(prefix: string): Promise<string[]>;
  remove(name: string): Promise<void>;
}
