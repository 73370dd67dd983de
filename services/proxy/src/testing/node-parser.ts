import { createRequire } from 'node:module';

/** What node:http's own parser makes of bytes, without sockets around it. */
export interface ParsedMessage {
  /** Of a request; '' of a response. */
  method: string;
  target: string;
  /** Of a response; 0 of a request. */
  status: number;
  version: string;
  /** Name, value, name, value. */
  fields: string[];
  body: string;
  trailers: string[];
  keepAlive: boolean;
  complete: boolean;
}

interface Parser {
  initialize(type: number, resource: object): void;
  execute(bytes: Buffer): number | Error;
  finish(): void | Error;
  [event: number]: unknown;
}

// Not a public interface of Node, which has none for this; only the tests use it, to compare.
const { HTTPParser: NodeParser, methods } = createRequire(import.meta.url)('node:_http_common') as {
  methods: string[];
  HTTPParser: (new () => Parser) &
    Record<'REQUEST' | 'RESPONSE' | 'kOnHeaders' | 'kOnHeadersComplete' | 'kOnBody' | 'kOnMessageComplete', number>;
};

/**
 * @param bodyless whether it answers HEAD
 * @returns every message that begins in the bytes, or the error
 */
export function nodeParses(kind: 'REQUEST' | 'RESPONSE', text: string, bodyless = false): ParsedMessage[] | Error {
  const parser = new NodeParser();
  parser.initialize(NodeParser[kind], {});
  const messages: ParsedMessage[] = [];
  let fields: string[] = [];
  let url = '';
  parser[NodeParser.kOnHeaders] = (more: string[], target: string) => {
    fields.push(...more);
    url += target;
  };
  parser[NodeParser.kOnHeadersComplete] = (
    major: number, minor: number, rest: string[] | undefined, method: number, target: string, status: number, _: string, __: boolean, keepAlive: boolean,
  ) => {
    messages.push({
      method: methods[method] ?? '', target: target ?? url, status: status ?? 0, version: `${major}.${minor}`, fields: rest ?? fields, body: '', trailers: [],
      keepAlive, complete: false,
    }); // prettier-ignore
    fields = [];
    url = '';
    return bodyless ? 1 : 0;
  }; // prettier-ignore
  parser[NodeParser.kOnBody] = (bytes: Buffer) => void (messages.at(-1)!.body += bytes.toString('latin1'));
  parser[NodeParser.kOnMessageComplete] = () => {
    messages.at(-1)!.complete = true;
    messages.at(-1)!.trailers = fields;
    fields = [];
  };
  const outcome = parser.execute(Buffer.from(text, 'latin1'));
  return outcome instanceof Error ? outcome : messages;
}
