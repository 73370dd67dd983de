import type { Client, ClientBase, Connection, Submittable } from 'pg';

/** A row of a COPY: what PostgreSQL is told of each column, null for nothing. */
export type CopyRow = readonly (string | number | boolean | null | undefined)[];

/** Rows into a table by COPY, within the transaction of whoever gave it out. */
export type Copy = (table: string, columns: readonly string[], rows: readonly CopyRow[]) => Promise<void>;

/** What `pg` has beyond its types: a query of its own kind may send rows when the server asks for them. */
interface CopyConnection extends Connection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** `pg` has no COPY of its own, and its extension points are these methods. The rows are in memory already, so there is no stream. */
class CopyIn implements Submittable {
  callback?: (error?: Error) => void;
  private error: Error | undefined;

  constructor(
    private readonly sql: string,
    private readonly text: Buffer,
  ) {}

  submit(connection: Connection): void {
    connection.query(this.sql);
  }

  handleCopyInResponse(connection: CopyConnection): void {
    connection.sendCopyFromChunk(this.text);
    connection.endCopyFrom();
  }

  handleCommandComplete(): void {
    // `handleReadyForQuery` follows
  }

  handleError(error: Error): void {
    this.error = error;
    this.callback?.(error);
  }

  handleReadyForQuery(): void {
    if (!this.error) this.callback?.();
  }
}

export function copyInto(client: ClientBase, table: string, columns: readonly string[], rows: readonly CopyRow[]): Promise<void> {
  const sql = `copy ${table} (${columns.join(', ')}) from stdin`;
  const text = Buffer.from(rows.map((row) => `${row.map(copyField).join('\t')}\n`).join(''), 'utf8');
  return new Promise((resolve, reject) => {
    const copying = new CopyIn(sql, text);
    copying.callback = (error) => (error ? reject(error) : resolve());
    (client as Client).query(copying);
  });
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', '\0': '\uFFFD' };

/** PostgreSQL's text format. A text of PostgreSQL holds anything but NUL. */
export function copyField(value: CopyRow[number]): string {
  if (value === null || value === undefined) return '\\N';
  return String(value).replace(/[\\\t\n\r\0]/g, (character) => escapes[character]!);
}
