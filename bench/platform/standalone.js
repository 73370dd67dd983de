import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { atEnd, tempDir, waitFor } from '@sandlot/testing';
import { Client } from './client.js';

export const repository = join(import.meta.dirname, '../..');

/**
 * Runs a program of the repository until `atEnd`, and resolves with what `ready` finds in its output. Rejects with the output when it
 * ends before. `nodeFlags` for profiles.
 */
export async function startProgram(file, env, ready, nodeFlags = []) {
  const child = spawn(process.execPath, [...nodeFlags, join(repository, file)], {
    cwd: '/',
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  const killNow = () => child.kill('SIGKILL');
  process.once('exit', killNow);
  const stop = async () => {
    const late = setTimeout(killNow, 25_000);
    child.kill('SIGTERM');
    await exited;
    clearTimeout(late);
    process.off('exit', killNow);
  };
  atEnd(stop);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const look = () => {
    if (child.exitCode !== null || child.signalCode !== null) return { ended: true };
    const found = ready(output);
    return found && { found };
  };
  const seen = await waitFor(look, { within: 60_000, describe: `${file} to be ready`, every: 2 });
  if (seen.ended) throw new Error(`${file} ended before it was ready:\n${output}`);
  return { pid: child.pid, found: seen.found, stop, output: () => output };
}

/** The standalone on empty data in a temporary folder, on free ports. */
export async function startStandalone(env, nodeFlags) {
  const dataDir = await tempDir();
  const settings = { SANDLOT_LOG_LEVEL: 'warn', SANDLOT_PORT: '0', SANDLOT_DATA_DIR: dataDir, ...env };
  const ready = (output) => /ready at (\S+)/.exec(output)?.[1];
  const program = await startProgram('services/standalone/dist/main.js', settings, ready, nodeFlags);
  const admin = new Client(program.found, readFileSync(join(dataDir, 'admin.key'), 'utf8').trim());
  await letIn(admin);
  const pidOf = (server) => JSON.parse(readFileSync(join(dataDir, server, 'process.json'), 'utf8')).pid;
  return {
    url: program.found,
    admin,
    dataDir,
    pids: { standalone: program.pid, nats: pidOf('nats'), postgres: pidOf('postgres') },
    stop: program.stop,
  };
}

/** A user with one key and room for `sandboxes`. */
export async function newUser(admin, username, sandboxes) {
  const { id } = await admin.expect(201, 'POST', '/api/v1/admin/users', { username });
  if (sandboxes) await admin.expect(200, 'PUT', `/api/v1/admin/users/${id}/quota`, { sandboxes });
  const { key } = await newKey(admin, id, 'bench');
  return { id, username, key };
}

export const newKey = (admin, userId, name) => admin.expect(201, 'POST', `/api/v1/admin/users/${userId}/apikeys`, { name });

/** Until the door lets the key in. */
export const letIn = (client) =>
  waitFor(async () => (await client.send('GET', '/api/v1/me')).status === 200, { describe: 'the key to be known' });
