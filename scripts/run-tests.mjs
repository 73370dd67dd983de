// Runs jest and sums up in one line. A suite that cannot be loaded counts as a failed test, and so does a jest that does not end.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const resultFile = join(root, '.cache', 'tests.json');
const longestMs = 60 * 60_000;
/** How long jest may take to end after the last test. Longer means that a test left a process, a socket or a timer behind. */
const graceMs = 60_000;
/** In CI everything runs; what cannot be had there at all is named here. */
const skippedInCi = /\(skipped: docker compose is not installed\)/;

mkdirSync(join(root, '.cache'), { recursive: true });
rmSync(resultFile, { force: true });
const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', join(root, 'node_modules', 'jest', 'bin', 'jest.js')];
const workers = `--maxWorkers=${Math.max(2, Math.floor(availableParallelism() / 2))}`;
const jest = spawn(process.execPath, [...flags, workers, ...process.argv.slice(2), '--json', '--outputFile', resultFile], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => jest.kill(signal));

let hung = '';
const giveUp = (why) => {
  hung = why;
  jest.kill('SIGKILL');
};
const limit = setTimeout(() => giveUp(`jest ran for more than ${longestMs / 60_000} minutes`), longestMs);
const watch = setInterval(() => {
  if (!existsSync(resultFile)) return;
  clearInterval(watch);
  setTimeout(() => giveUp('jest did not end after the last test: a test left something open'), graceMs).unref();
}, 1000);

jest.on('exit', (code) => {
  clearTimeout(limit);
  clearInterval(watch);
  const result = existsSync(resultFile) ? JSON.parse(readFileSync(resultFile, 'utf8')) : undefined;
  const problems = [];
  if (hung) problems.push(hung);
  else if (!result) problems.push(`jest ended with exit code ${code} and no results`);
  summarise(result ?? { testResults: [], numPassedTests: 0, numFailedTests: 0, numRuntimeErrorTestSuites: 0 }, problems);
});

function summarise(result, problems) {
  const tests = result.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map((test) => ({ file: name.slice(root.length + 1), ...test })),
  );
  const skipped = tests.filter(({ status }) => status === 'pending' || status === 'todo');
  for (const { file, fullName } of skipped) console.log(`skipped: ${fullName} (${file})`);
  for (const { file, fullName } of tests.filter(({ status }) => status === 'failed')) console.log(`failed: ${fullName} (${file})`);
  const missing = process.env.CI === 'true' ? skipped.filter(({ fullName }) => !skippedInCi.test(fullName)).length : 0;
  if (missing > 0) problems.push(`${missing} tests were skipped that CI must run; install what they name`);
  for (const problem of problems) console.log(`failed: ${problem}`);
  const failed = result.numFailedTests + result.numRuntimeErrorTestSuites + problems.length;
  console.log(`\n${result.numPassedTests} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`);
  process.exitCode = failed > 0 || result.numPassedTests === 0 ? 1 : 0;
}
