import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { prometheusBinaries } from '@sandlot/testbed';
import { alertCasesPath, alertRules, alertsPath } from './testing/monitoring-files.js';

const run = promisify(execFile);

describe('the alert rules (S0-60, S2-40)', () => {
  it('are what promtool takes for rules without a fault', async () => {
    const { promtool } = await prometheusBinaries();
    const { stdout } = await run(promtool, ['check', 'rules', '--lint=all', '--lint-fatal', alertsPath]);
    expect(stdout).toContain(`SUCCESS: ${(await alertRules()).length} rules found`);
  });

  it('fire when they should and at no other time, in every case', async () => {
    const { promtool } = await prometheusBinaries();
    const { stdout } = await run(promtool, ['test', 'rules', alertCasesPath]);
    expect(stdout).toContain('SUCCESS');
  }, 120_000);
});
