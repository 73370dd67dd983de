import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { cpuOf, memoryOf } from '../forwarders.js';

const linesOf = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join(''); // prettier-ignore

export const webSocket = ({ path, headers }) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${linesOf(headers)}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

export const tunnel = ({ tunnelTo, headers }) => `CONNECT ${tunnelTo} HTTP/1.1\r\nHost: ${tunnelTo}\r\n${linesOf(headers)}\r\n`;

/** That many connections, a hundred at a time, for which `head` is answered 101 or 200. */
export async function open({ port }, head, count) {
  const sockets = [];
  const one = async () => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => undefined);
    const answer = await new Promise((done) => {
      socket.once('data', (data) => done(data.toString('latin1'))).once('close', () => done('nothing'));
      socket.write(head);
    });
    if (!/^HTTP\/1\.1 (?:101|200) /.test(answer)) throw new Error(`not opened: ${answer.slice(0, 200)}`);
    sockets.push(socket);
  };
  while (sockets.length < count) await Promise.all(Array.from({ length: Math.min(100, count - sockets.length) }, one));
  return sockets;
}

/** KiB that an idle connection takes, of `count`, after some have come and gone. */
export async function idleKiB(server, head, count) {
  for (const socket of await open(server, head, 1000)) socket.destroy();
  await pause(12_000); // half-open ones are given 10 s
  const before = memoryOf(server.pid);
  const sockets = await open(server, head, count);
  await pause(3000);
  const each = ((memoryOf(server.pid) - before) * 1024) / count;
  for (const socket of sockets) socket.destroy();
  return each;
}

/** 1,000 WebSockets, each with one message of 64 bytes on the way. @returns messages echoed per second, and the forwarder's CPU for each */
export async function echo(server, seconds) {
  const sockets = await open(server, webSocket(server), 1000);
  const frame = Buffer.concat([Buffer.from([0x82, 0x80 | 64, 0, 0, 0, 0]), Buffer.alloc(64, 'x')]);
  let messages = 0;
  let running = true;
  for (const socket of sockets) {
    let bytes = 0;
    socket.on('data', (data) => {
      for (bytes += data.length; bytes >= 66; bytes -= 66) {
        messages++;
        if (running) socket.write(frame);
      }
    });
    socket.write(frame);
  }
  await pause(1500);
  const [cpu, before] = [cpuOf(server.pid), messages];
  await pause(seconds * 1000);
  const result = { cpuMicroseconds: (cpuOf(server.pid) - cpu) / (messages - before), perSecond: (messages - before) / seconds };
  running = false;
  for (const socket of sockets) socket.destroy();
  return result;
}
