import { atEnd, freePort, tempDir, waitFor } from '@sandlot/testing';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { startPlatform, type Platform } from './testing/platform.js';
import { piece, sandboxAtSize } from './testing/sandbox-at-size.js';
import { succeeded } from './testing/problems.js';
import { newSandbox, newTenant, type Tenant } from './testing/tenants.js';

const MiB = 1024 * 1024;
/** Each way. */
const BODY_BYTES = 10 * 1024 * MiB;
const CYCLES = 10_000;
/** Each takes two files of the proxy; where a process may have few, there are as many as it may. */
const WEBSOCKETS = 10_000;
const SPARE_FILES = 500;

/** The proxy as a process of its own, with as much as one may meet. */
describe('the door, with much at a time', () => {
  let platform: Platform;
  let alice: Tenant;
  let proxy: number;
  let door: { host: string; port: number };
  let key: string;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'processes', env: { SANDLOT_MAX_CONNECTIONS_PER_USER: '20000' } });
    alice = await newTenant(platform.admin, 'alice');
    const port = await freePort();
    await newSandbox(alice.api, 's1', { ports: [{ port: 8888 }, { name: 'web', port }] });
    await serveAt(port);
    await waitFor(async () => (await held()).open >= 0, { describe: "the sandbox's own server answers" });
    proxy = (await platform.pids())['proxy']!;
    const url = new URL(platform.url);
    door = { host: url.hostname, port: Number(url.port) };
    key = `host: x\r\nx-api-key: ${alice.key}\r\n`;
  }, 120_000);
  afterAll(() => platform.stop());

  const held = async () => succeeded(await alice.api.get('/proxy/s1:web/held'), 200).json<{ open: number; sent: number }>();
  const files = async () => (await readdir(`/proc/${proxy}/fd`)).length;
  const memory = async () => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${proxy}/status`, 'latin1'))![1]) / 1024;
  const dial = () => connect({ ...door, noDelay: true }).on('error', () => undefined);
  const webSocket = () =>
    `GET /proxy/s1:web/ HTTP/1.1\r\n${key}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n` +
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

  /** Nothing is left of who came and went, at the proxy or at the sandbox. */
  const expectNothingLeft = async (filesBefore: number) => {
    await waitFor(files, { within: 30_000, describe: 'the files of the proxy to be closed' }, (now) => now <= filesBefore);
    await waitFor(held, { within: 10_000, describe: 'the connections to the sandbox to be closed' }, ({ open }) => open <= 0);
  };

  it('leaves nothing behind of 10,000 clients that go in the middle of something', async () => {
    const ways: (() => string)[] = [
      () => `PUT /proxy/s1:web/up HTTP/1.1\r\n${key}content-length: 1000000\r\n\r\nthe start`,
      () => `GET /proxy/s1:web/events HTTP/1.1\r\n${key}\r\n`,
      webSocket,
      () => `CONNECT s1:web HTTP/1.1\r\nhost: s1:web\r\nproxy-authorization: Bearer ${alice.key}\r\n\r\nPUT /up HTTP/1.1\r\n`,
    ];
    const comeAndGo = async (way: number) => {
      const socket = dial();
      socket.write(ways[way % ways.length]!());
      // An upload has no answer to wait for; the others go when theirs has begun.
      if (way % ways.length > 0) await Promise.race([once(socket, 'data'), once(socket, 'close')]);
      else await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
      if (way % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    };
    const cycles = async (count: number) => {
      for (let done = 0; done < count; done += 100) await Promise.all(Array.from({ length: 100 }, (_, i) => comeAndGo(i)));
    };
    const filesBefore = await files();
    await cycles(CYCLES / 5); // until everything is compiled and the heap has its size
    await expectNothingLeft(filesBefore);
    const memoryBefore = await memory();
    await cycles((CYCLES * 4) / 5);
    await expectNothingLeft(filesBefore);
    // 4 KiB kept of each would be 31 MiB.
    expect((await memory()) - memoryBefore).toBeLessThan(30);
  }, 300_000);

  it('passes 10 GiB up and 10 GiB down at once, and one reader who hardly reads, in the memory that it has', async () => {
    const slow = dial();
    slow.write(`GET /proxy/s1:web/down?bytes=${BODY_BYTES} HTTP/1.1\r\n${key}\r\n`);
    await once(slow, 'data');
    slow.pause();
    const slowly = setInterval(() => slow.read(1024), 1000);
    const before = await memory();
    let most = before;
    const watch = setInterval(() => void memory().then((now) => (most = Math.max(most, now))), 200);

    const [down, up] = await Promise.all([download(), upload()]);
    clearInterval(watch);
    clearInterval(slowly);
    const wanted = { bytes: BODY_BYTES, crc: crcOfBody() };
    expect({ down, up }).toEqual({ down: wanted, up: wanted });
    expect(most - before).toBeLessThan(64);
    expect((await held()).sent - BODY_BYTES).toBeLessThan(32 * MiB); // what the slow one was sent
    slow.destroy();
  }, 600_000);

  async function download(): Promise<{ bytes: number; crc: number }> {
    const asking = request({ ...door, path: `/proxy/s1:web/down?bytes=${BODY_BYTES}`, headers: { 'x-api-key': alice.key }, agent: false });
    const [response] = (await once(asking.end(), 'response')) as [IncomingMessage];
    let [bytes, crc] = [0, 0];
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      crc = crc32(chunk, crc);
    }
    return { bytes, crc };
  }

  async function upload(): Promise<{ bytes: number; crc: number }> {
    const headers = { 'x-api-key': alice.key, 'content-length': BODY_BYTES };
    const asking = request({ ...door, method: 'PUT', path: '/proxy/s1:web/up', headers, agent: false });
    const answered = once(asking, 'response') as Promise<[IncomingMessage]>;
    for (let left = BODY_BYTES; left > 0; left -= piece.length)
      if (!asking.write(left < piece.length ? piece.subarray(0, left) : piece)) await once(asking, 'drain');
    asking.end();
    const [response] = await answered;
    let text = '';
    for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
    return JSON.parse(text) as { bytes: number; crc: number };
  }

  it('S0-32 holds 10,000 idle WebSockets in at most 20 KiB each, through others that come and go and a restart of the gateway, and says goodbye', async () => {
    const limit = /Max open files\s+(\d+)/.exec(await readFile(`/proc/${proxy}/limits`, 'latin1'))![1]!;
    const count = Math.min(WEBSOCKETS, Math.floor((Number(limit) - SPARE_FILES) / 2));
    const open = async (): Promise<Socket> => {
      const socket = dial();
      socket.write(webSocket());
      const [answer] = (await once(socket, 'data')) as [Buffer];
      if (!answer.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(`no WebSocket: ${answer.toString('latin1')}`);
      return socket;
    };
    const openMany = async (many: number, atOnce: number) => {
      const sockets: Socket[] = [];
      while (sockets.length < many)
        sockets.push(...(await Promise.all(Array.from({ length: Math.min(atOnce, many - sockets.length) }, open))));
      return sockets;
    };
    for (const socket of await openMany(1000, 100)) socket.destroy();
    await waitFor(held, { within: 30_000, describe: 'the first ones to be gone' }, ({ open: left }) => left <= 0);
    const before = await memory();

    const sockets = await openMany(count, 100);
    const ends: (string | undefined)[] = sockets.map(() => undefined);
    sockets.forEach((socket, i) => {
      socket.on('data', (bytes: Buffer) => (ends[i] = bytes.toString('hex')));
      socket.on('close', () => (ends[i] ??= 'closed'));
    });
    expect((((await memory()) - before) * 1024) / count).toBeLessThan(20);

    for (let round = 0; round < 20; round++) for (const socket of await openMany(100, 100)) socket.destroy();
    await platform.kill('gateway', 'SIGTERM');
    await platform.restart('gateway');
    await waitFor(held, { within: 30_000, describe: 'those that came and went to be gone' }, ({ open: left }) => left <= count);
    expect(ends.filter((end) => end !== undefined)).toEqual([]);

    await platform.kill('proxy', 'SIGTERM');
    const goingAway = '880203e9';
    await waitFor(() => ends.every((end) => end !== undefined), { within: 10_000, describe: 'every client to be told' });
    expect(ends.filter((end) => end !== goingAway)).toEqual([]);
    for (const socket of sockets) socket.destroy();

    await platform.restart('proxy');
    proxy = (await platform.pids())['proxy']!;
    await waitFor(held, { within: 30_000, describe: 'the proxy to serve again' });
    const back = await openMany(count, 500); // as many at once as come back when nobody waits a moment first
    for (const socket of back) socket.destroy();
    await waitFor(held, { within: 60_000, describe: 'all of them to be gone' }, ({ open: left }) => left <= 0);
  }, 300_000);
});

/** Not inside the sandbox, which may have 4096 files: on this runtime its other ports are those of the machine. */
async function serveAt(port: number): Promise<void> {
  const program = join(await tempDir(), 'server.mjs');
  await writeFile(program, sandboxAtSize);
  const child = spawn(process.execPath, [program, String(port)], { stdio: 'ignore' });
  atEnd(() => void child.kill());
}

function crcOfBody(): number {
  let crc = 0;
  for (let left = BODY_BYTES; left > 0; left -= piece.length) crc = crc32(left < piece.length ? piece.subarray(0, left) : piece, crc);
  return crc;
}
