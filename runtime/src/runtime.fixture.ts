import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RuntimeOptions } from './options.js';
import { startRuntime } from './runtime.js';

/** For specs: runtimes in fresh folders, and a client that sends paths exactly as given. */

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
  text: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- specs say by their assertions what they expect of it
  json: any;
}

export interface GivenRuntime {
  folder: string;
  port: number;
  call(method: string, path: string, body?: string | Buffer, headers?: Record<string, string>): Promise<Answer>;
  execute(body: object): Promise<Answer>;
  /** The response as soon as its head is there; `leave` breaks the connection off. */
  open(path: string, body: object, headers?: Record<string, string>): Promise<{ response: IncomingMessage; leave: () => void }>;
  close(): Promise<void>;
}

const undo: (() => Promise<unknown>)[] = [];

export async function givenRuntime(options: RuntimeOptions = {}): Promise<GivenRuntime> {
  const folder = await givenFolder();
  const runtime = await startRuntime({ host: '127.0.0.1', port: 0, workFolder: folder, env: { PATH: process.env.PATH ?? '' }, ...options });
  undo.push(() => runtime.close());
  const { port } = runtime;
  return {
    folder,
    port,
    call: (method, path, body, headers) => call(port, method, path, body, headers),
    execute: (body) => call(port, 'POST', '/execute', JSON.stringify(body)),
    open: (path, body, headers = {}) => open(port, path, JSON.stringify(body), headers),
    close: () => runtime.close(),
  };
}

export async function givenFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sandlot-runtime-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Closes and deletes what was given, the last first. */
export async function cleanUp(): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step();
}

export async function call(
  port: number,
  method: string,
  path: string,
  body?: string | Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const { response } = await send({ port, method, path, headers }, body);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  const text = bytes.toString();
  const json: unknown = /[/+]json$/.test(response.headers['content-type'] ?? '') && text ? JSON.parse(text) : undefined;
  return { status: response.statusCode ?? 0, headers: response.headers, bytes, text, json };
}

async function open(port: number, path: string, body: string, headers: Record<string, string>) {
  const { response, leave } = await send({ port, method: 'POST', path, headers }, body);
  response.on('error', () => undefined);
  return { response, leave };
}

function send(options: RequestOptions, body?: string | Buffer): Promise<{ response: IncomingMessage; leave: () => void }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', agent: false, ...options }, (response) => resolve({ response, leave: () => sent.destroy() }));
    sent.on('error', reject);
    sent.end(body);
  });
}

/** Waits until `look` gives something true, and gives that. */
export async function waitFor<T>(look: () => T | Promise<T>, describe: string, withinMs = 10_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain: ${describe}`);
    await sleep(10);
  }
}

/** Neither alive nor waiting to be killed; a zombie only waits for its parent. */
export function isGone(pid: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

/** The pids that a command has written to `pids` in its folder, as soon as there are `count`. */
export async function pidsIn(folder: string, count: number): Promise<number[]> {
  const lines = await waitFor(async () => {
    const text = await readFile(join(folder, 'pids'), 'utf8').catch(() => '');
    const found = text.split('\n').slice(0, -1);
    return found.length >= count && found;
  }, `${count} pids`);
  return (lines as string[]).map(Number);
}
