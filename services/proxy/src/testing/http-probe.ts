import { connect, type Socket } from 'node:net';
import { readForwarded } from './forwarded-requests.js';
import type { RawServer } from './raw-peers.js';

/** A proxy that is asked something, whoever made it. */
export interface ProbedProxy {
  port: number;
  /** What stands for `PATH/` in a request: where its upstream is found. */
  prefix: string;
  /** Header lines that let a request in; they stand for `KEY`. */
  credentials: string;
}

/** What both ends saw of one connection's bytes. */
export interface Observation {
  /** What the client got. */
  client: string;
  /** How its connection ended; `open` when nothing more came and it was kept. */
  ended: 'end' | 'reset' | 'open';
  /** What the upstream got, all connections in their order. */
  upstream: string;
}

export interface ProbeOptions {
  /** Sent after the upstream has got the end of a head. */
  later?: string;
  /** Ends the client's side after its bytes. */
  halfClose?: boolean;
}

/** Milliseconds without a byte, once an answer has begun, after which no more is expected. */
const QUIET_MS = 150;
const DEADLINE_MS = 3000;

/** Sends bytes as they are and waits until the proxy closes, or has answered and is quiet, or has said nothing for long. */
export function probe(
  proxy: ProbedProxy,
  upstream: RawServer,
  bytes: string,
  { later, halfClose }: ProbeOptions = {},
): Promise<Observation> {
  const before = [...upstream.received];
  const filled = (text: string) => text.replaceAll('KEY', proxy.credentials).replaceAll('PATH/', proxy.prefix);
  const seen = () => upstream.received.map((text, i) => text.slice(before[i]?.length ?? 0)).join('');
  return new Promise((done) => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    let client = '';
    let ended: Observation['ended'] = 'open';
    let rest = later;
    const finish = () => {
      clearInterval(look);
      socket.destroy();
      done({ client, ended, upstream: seen() });
    };
    const began = performance.now();
    let changed = began;
    let size = 0;
    const look = setInterval(() => {
      const now = performance.now();
      const got = seen();
      if (rest !== undefined && got.includes('\r\n\r\n')) {
        socket.write(filled(rest), 'latin1');
        rest = undefined;
      }
      if (client.length + got.length !== size) changed = now;
      size = client.length + got.length;
      if (client !== '' && now - changed > QUIET_MS) finish();
      if (now - began > DEADLINE_MS) finish();
    }, 10);
    socket.on('data', (data: Buffer) => (client += data.toString('latin1')));
    socket.on('error', () => (ended = 'reset'));
    socket.on('end', () => {
      if (ended === 'open') ended = 'end';
      socket.end();
    });
    socket.on('close', finish);
    socket.write(filled(bytes), 'latin1');
    if (halfClose) socket.end();
  });
}

export interface Answers {
  answer: string;
  /** Sent as soon as there is the end of a head. */
  early?: string | undefined;
  /** Whether it closes behind its answer. */
  closes?: boolean | undefined;
}

/** An upstream that answers every request once it is complete, or looks as if it were. */
export function answeringEach({ answer, early, closes }: Answers): (socket: Socket, text: string) => void {
  const begun = new WeakSet<Socket>();
  const answered = new WeakMap<Socket, number>();
  return (socket, text) => {
    if (early !== undefined && !begun.has(socket) && text.includes('\r\n\r\n')) socket.write(early, 'latin1');
    begun.add(socket);
    const { count, flaws } = readForwarded(text);
    const complete = flaws.some((flaw) => flaw.startsWith('an unfinished') || flaw === 'malformed chunks') ? count - 1 : count;
    for (let i = answered.get(socket) ?? 0; i < complete; i++) socket.write(answer, 'latin1');
    answered.set(socket, Math.max(complete, answered.get(socket) ?? 0));
    if (closes && complete > 0) socket.end();
  };
}
