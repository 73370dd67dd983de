#!/usr/bin/env node
// A ProxyCommand for ssh where networks let WebSockets pass and CONNECT not: bytes between stdin/stdout and a port of a sandbox, over http
// or https. One file, nothing but Node.js 18 or newer, and no key in any command line.
//
//   ssh -o ProxyCommand='node scripts/sandlot-tunnel.mjs %h %p' user@my-sandbox
//
// SANDLOT_URL: of Sandlot. Default http://127.0.0.1:8080.
// SANDLOT_API_KEY: the key; else the file SANDLOT_API_KEY_FILE, by default ~/.config/sandlot/key.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { homedir } from 'node:os';
import { join } from 'node:path';

const { stdin, stdout, env, argv } = process;
const [BINARY, CLOSE, PING, PONG] = [0x2, 0x8, 0x9, 0xa];

function fail(why) {
  process.stderr.write(`sandlot-tunnel: ${why}\n`);
  process.exit(1);
}

function readKey() {
  const file = env.SANDLOT_API_KEY_FILE || join(homedir(), '.config', 'sandlot', 'key');
  try {
    return (env.SANDLOT_API_KEY || readFileSync(file, 'utf8')).trim();
  } catch {
    return fail(`no key: set SANDLOT_API_KEY, or write it to ${file}`);
  }
}

function frame(opcode, payload) {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 6 : length < 0x10000 ? 8 : 14);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 0x10000 ? 126 : 127);
  if (length >= 0x10000) head.writeBigUInt64BE(BigInt(length), 2);
  else if (length >= 126) head.writeUInt16BE(length, 2);
  const mask = randomBytes(4);
  mask.copy(head, head.length - 4);
  const masked = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) masked[i] = payload[i] ^ mask[i & 3];
  return Buffer.concat([head, masked]);
}

/** Hands on the payload of each frame that has arrived whole, and keeps the rest. The server's messages are as small as what it reads. */
function reader(onFrame) {
  let kept = Buffer.alloc(0);
  return (bytes) => {
    kept = kept.length > 0 ? Buffer.concat([kept, bytes]) : bytes;
    while (kept.length >= 2) {
      const short = kept[1] & 0x7f;
      const start = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (kept.length < start) return;
      const length = short === 127 ? Number(kept.readBigUInt64BE(2)) : short === 126 ? kept.readUInt16BE(2) : short;
      if (kept.length < start + length) return;
      const payload = kept.subarray(start, start + length);
      const opcode = kept[0] & 0x0f;
      kept = kept.subarray(start + length);
      onFrame(opcode, payload);
    }
  };
}

function tunnel(socket, first) {
  const write = (opcode, payload) => socket.write(frame(opcode, payload));
  const read = reader((opcode, payload) => {
    if (opcode === PING) write(PONG, payload);
    else if (opcode === CLOSE) {
      const code = payload.length < 2 ? 1000 : payload.readUInt16BE(0);
      const reason = payload.subarray(2).toString();
      write(CLOSE, payload.subarray(0, 2));
      socket.end();
      if (code !== 1000) process.stderr.write(`sandlot-tunnel: the tunnel was closed (${code}${reason && `, ${reason}`})\n`);
      stdout.end(() => process.exit(code === 1000 ? 0 : 1));
    } else if (opcode < CLOSE && !stdout.write(payload)) socket.pause();
  });
  stdout.on('drain', () => socket.resume()).on('error', () => process.exit(0));
  socket.on('data', read).on('drain', () => stdin.resume());
  socket.on('error', () => undefined).on('close', () => stdout.end(() => process.exit(1)));
  stdin.on('data', (bytes) => write(BINARY, bytes) || stdin.pause());
  stdin.on('end', () => write(CLOSE, Buffer.from([0x03, 0xe8])));
  if (first.length > 0) read(first);
}

const [, , sandbox, port, ...more] = argv;
if (!port || more.length > 0) fail('usage: sandlot-tunnel.mjs SANDBOX PORT');
const url = new URL(env.SANDLOT_URL || 'http://127.0.0.1:8080');
if (!/^https?:$/.test(url.protocol)) fail(`SANDLOT_URL must be http://… or https://…, not ${url.href}`);
url.pathname = `/v1/sandboxes/${encodeURIComponent(sandbox)}/tunnel`;
url.search = `?port=${encodeURIComponent(port)}`;
const nonce = randomBytes(16).toString('base64');

const asking = (url.protocol === 'https:' ? overHttps : overHttp)(url, {
  headers: {
    authorization: `Bearer ${readKey()}`,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': nonce,
  },
});
asking.on('error', (error) => fail(`nobody answers at ${url.origin} (${error.code ?? error.message})`));
asking.on('response', async (response) => {
  let problem = '';
  for await (const piece of response) problem += piece;
  fail(`${response.statusCode} ${problem}`);
});
asking.on('upgrade', (response, socket, first) => {
  const accept = createHash('sha1').update(`${nonce}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  if (response.headers['sec-websocket-accept'] !== accept) fail(`${url.origin} does not speak WebSocket`);
  tunnel(socket, first);
});
asking.end();
