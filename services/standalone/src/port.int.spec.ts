import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureBuilt, repository } from './testing/build.js';

/** What a program says of its settings that it does not start with. */
async function refusal(service: string, env: Record<string, string>): Promise<string> {
  const started = promisify(execFile)(process.execPath, [join(repository, 'services', service, 'dist/main.js')], {
    env: { PATH: process.env['PATH'], SANDLOT_LOG_LEVEL: 'nonsense', ...env },
    timeout: 20_000,
  });
  return started.then(
    () => 'it started',
    ({ stderr, stdout }: { stderr: string; stdout: string }) => stderr + stdout,
  );
}

describe.each(['standalone', 'proxy'])('S1-13 the port of %s', (service) => {
  beforeAll(ensureBuilt, 120_000);

  it('is PORT where SANDLOT_PORT is not set', async () => {
    expect(await refusal(service, { PORT: 'seven' })).toMatch(/SANDLOT_PORT\b/);
    expect(await refusal(service, { PORT: '7' })).not.toMatch(/SANDLOT_PORT\b/);
  });

  it('is SANDLOT_PORT where both are set', async () => {
    expect(await refusal(service, { PORT: 'seven', SANDLOT_PORT: '7' })).not.toMatch(/SANDLOT_PORT\b/);
    expect(await refusal(service, { PORT: '7', SANDLOT_PORT: 'seven' })).toMatch(/SANDLOT_PORT\b/);
  });
});
