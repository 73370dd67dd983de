/**
 * Peers that are programs of their own: started with a configuration in a temporary folder, ended with the process that started them.
 * The driver forks a file of this folder per peer, and measures the process whose id that sends back.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const peers = join(import.meta.dirname, '../../../.cache/peers');

/** Where a program is; undefined when it is not installed. */
export function programOf(name) {
  const places = [join(peers, 'python/bin', name), ...`${process.env.PATH}:/usr/sbin:/sbin`.split(':').map((folder) => join(folder, name))];
  return places.find((path) => existsSync(path));
}

/** What a program says of its version. */
export const versionOf = (name, flag) => {
  const { stdout, stderr } = spawnSync(programOf(name), [flag], { encoding: 'utf8' });
  return /\d+\.\d+\.\d+/.exec(stdout + stderr)[0];
};

/** Runs a program on a configuration that is told a free port and its folder, and sends the driver where it listens. */
export async function serveNative(name, configuration, args) {
  const folder = mkdtempSync(join(tmpdir(), `sandlot-${name}-`));
  const port = await freePort();
  const file = join(folder, 'configuration');
  const text = configuration({ port, folder });
  writeFileSync(file, text);
  const child = spawn(programOf(name), args({ file, folder, text }), { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (bytes) => (said = (said + bytes).slice(-2000)));
  const end = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', end);
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect']) process.once(signal, () => process.exit());
  child.once('exit', (code) => {
    process.stderr.write(`${name} ended with ${code}: ${said}\n`);
    process.exit(1);
  });
  for (let tries = 0; !(await listens(port)); tries++) {
    if (tries > 200) throw new Error(`${name} does not listen: ${said}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  process.send({ port, path: '/hello', headers: {}, pid: child.pid });
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

function listens(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => done(socket.destroy()));
    socket.on('error', () => done(undefined));
  });
}
