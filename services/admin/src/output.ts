export type Format = 'table' | 'json';

export interface Streams {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

type Cell = string | number | boolean | null | undefined;

/** Data on standard output; whatever is only for people, on standard error. */
export class Output {
  constructor(
    private readonly streams: Streams,
    private readonly format: Format,
    private readonly quiet: boolean,
  ) {}

  /** One thing, as lines of its members. */
  value(value: Readonly<Record<string, unknown>>): void {
    if (this.format === 'json') return this.json(value);
    this.rows(
      Object.entries(value).map(([name, member]) => [name, typeof member === 'object' ? JSON.stringify(member) : (member as Cell)]),
    );
  }

  /** A list; the columns are members of its items. As JSON, `whole` is what it is a part of. */
  list<Item extends object>(items: readonly Item[], columns: readonly (keyof Item & string)[], whole: object = items): void {
    if (this.format === 'json') return this.json(whole);
    this.rows([
      columns.map((column) => column.replace(/[A-Z]/g, (letter) => ` ${letter}`).toUpperCase()),
      ...items.map((item) => columns.map((column) => item[column] as Cell)),
    ]);
  }

  /** What was carried out, where there is no more to say. */
  done(what: Readonly<Record<string, unknown>>): void {
    if (this.format === 'json') this.json(what);
    else this.say('done');
  }

  say(line: string): void {
    if (!this.quiet) this.streams.stderr.write(`${line}\n`);
  }

  private json(value: unknown): void {
    this.streams.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
  }

  private rows(rows: readonly (readonly Cell[])[]): void {
    const text = rows.map((row) => row.map((cell) => (cell === null || cell === undefined ? '-' : String(cell))));
    const widths = (text[0] ?? []).map((_, column) => Math.max(...text.map((row) => row[column]!.length)));
    for (const row of text)
      this.streams.stdout.write(
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
      );
  }
}
