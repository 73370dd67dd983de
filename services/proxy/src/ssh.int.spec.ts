import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { atEnd, describeUnless, freePort, tempDir, waitFor } from '@sandlot/testing';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const run = promisify(execFile);
const SSHD = '/usr/sbin/sshd';
const programs = ['ssh', 'scp', 'sftp', 'rsync', 'ssh-keygen', 'python3'];
const installed = existsSync(SSHD) && programs.every((program) => spawnSync('which', [program]).status === 0);
const scripts = join(import.meta.dirname, '../../../scripts');

const missing = installed
  ? undefined
  : 'ssh, sshd, rsync or python3 is not installed; on Debian: apt-get install openssh-server rsync python3';

/** A terminal of its own for ssh, whose size changes; prints what the other side says its size is. */
const TERMINAL = `
import fcntl, os, pty, select, struct, sys, termios, time
pid, terminal = pty.fork()
if pid == 0: os.execvp('ssh', sys.argv[1:])
said, deadline = b'', time.monotonic() + 20
def wait(text):
    global said
    while text not in said:
        if time.monotonic() > deadline: sys.exit('waited for %r; it said %r' % (text, said))
        if b'ready' in said: os.write(terminal, b'\\n')
        if select.select([terminal], [], [], 0.1)[0]: said += os.read(terminal, 4096)
wait(b'ready')
for rows, columns in ((41, 101), (50, 132)):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    wait(b'%d %d' % (rows, columns))
print('resized')
`;

describeUnless(missing)('real ssh', () => {
  let proxy: ProxyUnderTest;
  let folder: string;
  let sshd: ChildProcess;
  let said = '';
  let port: number;
  const file = (name: string) => join(folder, name);

  /** As docs/how-to/ssh.md has it. */
  const writeConfig = async (name: string, command: string) => {
    const lines = [
      'Host *.sandlot', `ProxyCommand ${command} $(basename %h .sandlot) ssh`, `User ${userInfo().username}`,
      `UserKnownHostsFile ${file('known_hosts')}`, 'GlobalKnownHostsFile none', 'StrictHostKeyChecking yes', `IdentityFile ${file('user')}`,
      'IdentitiesOnly yes', 'BatchMode yes',
    ]; // prettier-ignore
    await writeFile(file(name), `${lines.join('\n')}\n`);
  };

  beforeAll(async () => {
    folder = await tempDir();
    for (const name of ['host', 'user', 'other']) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(name)]);
    await writeFile(file('authorized_keys'), await readFile(file('user.pub')), { mode: 0o600 });
    port = await freePort();
    const config = [
      `Port ${port}`, 'ListenAddress 127.0.0.1', `HostKey ${file('host')}`, `AuthorizedKeysFile ${file('authorized_keys')}`, 'PidFile none',
      'StrictModes no', 'UsePAM no', 'PasswordAuthentication no', 'PermitRootLogin yes', 'Subsystem sftp internal-sftp',
    ]; // prettier-ignore
    await writeFile(file('sshd_config'), `${config.join('\n')}\n`);
    // As root, sshd wants a folder of Debian's for its unprivileged part.
    if (userInfo().uid === 0) await run('mkdir', ['-p', '/run/sshd']);
    sshd = spawn(SSHD, ['-D', '-e', '-f', file('sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] });
    sshd.stderr!.on('data', (bytes: Buffer) => (said += bytes.toString()));
    atEnd(() => void sshd.kill());
    await waitFor(() => said.includes('Server listening'), { describe: `sshd to listen; it said: ${said}` });

    proxy = await startProxy();
    const ports = [{ name: 'ssh', port: 22, address: `127.0.0.1:${port}` }];
    proxy.directory.addSandbox('alice', 's1', '', { ports });
    await writeFile(file('known_hosts'), `s1.sandlot ${(await readFile(file('host.pub'), 'utf8')).trim()}\n`);
    await writeFile(file('changed_hosts'), `s1.sandlot ${(await readFile(file('other.pub'), 'utf8')).trim()}\n`);
  }, 30_000);

  afterAll(async () => {
    sshd.kill();
    await proxy.close();
  });

  describe.each([
    ['CONNECT', join(scripts, 'sandlot-tunnel.sh'), 'CONNECT'],
    ['WebSocket', `${process.execPath} ${join(scripts, 'sandlot-tunnel.mjs')}`, 'GET'],
  ])('through a tunnel over %s', (name, command, method) => {
    let config: string;
    let env: NodeJS.ProcessEnv;

    beforeAll(async () => {
      await writeConfig(name, command);
      config = file(name);
      env = { ...process.env, SANDLOT_URL: proxy.url, SANDLOT_API_KEY: proxy.alice };
      proxy.records.length = 0;
    });
    const ssh = (...words: string[]) => run('ssh', ['-F', config, ...words], { env });

    it('S4-05 S4-24 runs commands, with the exit code, against a host key that is checked', async () => {
      expect((await ssh('s1.sandlot', 'echo from inside; exit 0')).stdout).toBe('from inside\n');
      await expect(ssh('s1.sandlot', 'exit 7')).rejects.toMatchObject({ code: 7 });
      await waitFor(() => proxy.records.length === 2, { describe: 'two records' });
      expect(proxy.records[0]).toMatchObject({ kind: 'tunnel', method, sandbox: 's1' });
    }, 20_000);

    it('S4-24 refuses a host key that has changed, and one that is not known', async () => {
      const changed = ssh('-o', `UserKnownHostsFile=${file('changed_hosts')}`, 's1.sandlot', 'true');
      await expect(changed).rejects.toMatchObject({ code: 255, stderr: expect.stringContaining('IDENTIFICATION HAS CHANGED') });
      const unknown = ssh('-o', 'UserKnownHostsFile=/dev/null', 's1.sandlot', 'true');
      await expect(unknown).rejects.toMatchObject({ code: 255, stderr: expect.stringContaining('Host key verification failed') });
    }, 20_000);

    it('S4-05 passes standard input to its end', async () => {
      const child = spawn('ssh', ['-F', config, 's1.sandlot', 'sha256sum'], { env });
      let text = '';
      child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
      child.stdin.end(Buffer.alloc(5_000_000, 1));
      await new Promise((done) => child.on('close', done));
      expect(text).toMatch(/^[0-9a-f]{64} {2}-\n$/);
    }, 20_000);

    it('S4-05 copies files both ways with scp, sftp and rsync', async () => {
      const content = crypto.getRandomValues(new Uint8Array(60_000));
      await writeFile(file('up'), content);
      const there = file(`there-${name}`);
      await run('scp', ['-F', config, file('up'), `s1.sandlot:${there}`], { env });
      await run('scp', ['-F', config, `s1.sandlot:${there}`, file('scp')], { env });
      await writeFile(file('batch'), `put ${file('up')} ${there}\nget ${there} ${file('sftp')}\n`);
      await run('sftp', ['-F', config, '-b', file('batch'), 's1.sandlot'], { env });
      await run('rsync', ['-e', `ssh -F ${config}`, file('up'), `s1.sandlot:${there}-2`], { env });
      await run('rsync', ['-e', `ssh -F ${config}`, `s1.sandlot:${there}-2`, file('rsync')], { env });
      for (const copy of ['scp', 'sftp', 'rsync']) expect(new Uint8Array(await readFile(file(copy)))).toEqual(content);
    }, 40_000);

    it('S4-05 holds a session in a terminal, which may be resized', async () => {
      const loop = 'echo ready; while read -r _; do stty size; done';
      const { stdout } = await run('python3', ['-c', TERMINAL, 'ssh', '-F', config, '-tt', 's1.sandlot', loop], { env });
      expect(stdout).toBe('resized\n');
    }, 30_000);

    it('S2-03 forwards to ports inside, as editors do that work over ssh', async () => {
      const child = spawn('ssh', ['-F', config, '-W', `127.0.0.1:${port}`, 's1.sandlot'], { env, stdio: ['pipe', 'pipe', 'ignore'] });
      const [bytes] = (await once(child.stdout, 'data')) as [Buffer];
      expect(bytes.toString()).toMatch(/^SSH-2\.0-/);
      child.kill();
    }, 20_000);

    it('shows why it does not connect', async () => {
      const refused = ssh('-o', `ProxyCommand=${command} s1 23`, 's1.sandlot', 'true');
      await expect(refused).rejects.toMatchObject({ stderr: expect.stringContaining('403') });
      const noKey = run('ssh', ['-F', config, 's1.sandlot', 'true'], { env: { ...env, SANDLOT_API_KEY: 'no' } });
      await expect(noKey).rejects.toMatchObject({ stderr: expect.stringMatching(/40[17]/) });
    }, 20_000);
  });
});
