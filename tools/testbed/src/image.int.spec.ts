import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '@sandlot/testing';
import { writeImage } from './image.js';

describe('an image made from files', () => {
  const long = `/opt/${'folder/'.repeat(20)}file.js`;
  let dir: string;
  beforeAll(async () => {
    dir = await tempDir();
    await writeFile(join(dir, 'program'), 'x'.repeat(1000));
    await writeImage(join(dir, 'image.tar'), {
      name: 'docker.io/sandlot/made:1',
      command: ['/bin/program', '--now'],
      user: '1000:1000',
      env: { A: '1' },
      files: [
        { path: '/bin/program', from: join(dir, 'program') },
        { path: '/bin/other', linkTo: 'program' },
        { path: long, content: 'content', mode: 0o644 },
        { path: '/tmp', folder: true },
      ],
    });
    execFileSync('tar', ['-xf', 'image.tar'], { cwd: dir });
  });

  it('holds them with their paths, modes and contents', () => {
    const listed = execFileSync('tar', ['-tvf', 'layer.tar', '--numeric-owner'], { cwd: dir, encoding: 'utf8' }).trim().split('\n');
    const [modes, paths] = [listed.map((line) => line.slice(0, 10)), listed.map((line) => line.replace(/^.*\d\d:\d\d /, ''))];
    expect(modes).toEqual(['-rwxr-xr-x', 'lrwxrwxrwx', '-rw-r--r--', 'drwxrwxrwt']);
    expect(paths).toEqual(['bin/program', 'bin/other -> program', long.slice(1), 'tmp/']);
    expect(execFileSync('tar', ['-xOf', 'layer.tar', 'bin/program'], { cwd: dir })).toHaveLength(1000);
    expect(execFileSync('tar', ['-xOf', 'layer.tar', long.slice(1)], { cwd: dir, encoding: 'utf8' })).toBe('content');
  });

  it('says what it is and how it is started', async () => {
    const [manifest] = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8'));
    expect(manifest).toEqual({ Config: 'config.json', RepoTags: ['docker.io/sandlot/made:1'], Layers: ['layer.tar'] });
    const { config, rootfs } = JSON.parse(await readFile(join(dir, 'config.json'), 'utf8'));
    expect(config).toEqual({ Cmd: ['/bin/program', '--now'], Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'A=1'], User: '1000:1000' });
    const digest = createHash('sha256')
      .update(await readFile(join(dir, 'layer.tar')))
      .digest('hex');
    expect(rootfs).toEqual({ type: 'layers', diff_ids: [`sha256:${digest}`] });
  });
});
