import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const CONNECTIONS = 64;
const answer = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n\r\n${'x'.repeat(128)}`);

/**
 * The upstream of a paced load, in the same process: on a core that both share, one would otherwise wait for the other's turn, and that wait
 * would be most of what is measured.
 */
export function listen() {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      const heads = bytes.toString('latin1').split('\r\n\r\n').length - 1; // heads are never cut in two: each is one small segment
      for (let i = 0; i < heads; i++) socket.write(answer);
    });
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

const headOf = ({ path, headers }) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`; // prettier-ignore

/** Connections on which each answer is told with its latency, in ms. */
async function open({ port }, onAnswer) {
  return Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await new Promise((done, failed) => socket.once('connect', done).once('error', failed));
      socket.sentAt = [];
      socket.on('data', (data) => {
        const text = data.toString('latin1');
        for (let at = text.indexOf('HTTP/1.1 '); at >= 0; at = text.indexOf('HTTP/1.1 ', at + 1)) {
          if (!text.startsWith('200', at + 9)) throw new Error(`answered ${text.slice(at, at + 60)}`);
          onAnswer(performance.now() - socket.sentAt.shift(), socket);
        }
      });
      return socket;
    }),
  );
}

/**
 * Requests at a fixed rate, each as due, whatever the others do.
 * @returns latencies in ms, without the first quarter; undefined when it was more than the server could answer
 */
export async function paced(server, perSecond, seconds) {
  const bytes = Buffer.from(headOf(server));
  const times = [];
  const sockets = await open(server, (ms) => times.push(ms));
  const began = performance.now();
  let sent = 0;
  while (sent < perSecond * seconds) {
    const due = Math.floor(((performance.now() - began) * perSecond) / 1000);
    for (; sent < due; sent++) {
      const socket = sockets[sent % CONNECTIONS];
      socket.sentAt.push(performance.now());
      socket.write(bytes);
    }
    await new Promise((done) => setImmediate(done));
  }
  for (let tries = 0; times.length < sent && tries < 50; tries++) await pause(20);
  for (const socket of sockets) socket.destroy();
  if (times.length < sent) return undefined;
  return times.slice(times.length / 4);
}

/** As many requests as 64 connections get answered, one at a time on each. @returns per second */
export async function saturating(server, seconds) {
  const bytes = Buffer.from(headOf(server));
  let answers = 0;
  const next = (socket) => {
    socket.sentAt.push(0);
    socket.write(bytes);
  };
  const sockets = await open(server, (_, socket) => {
    answers++;
    next(socket);
  });
  sockets.forEach(next);
  await pause(1000);
  const before = answers;
  await pause(seconds * 1000);
  const perSecond = (answers - before) / seconds;
  for (const socket of sockets) socket.destroy();
  return perSecond;
}
