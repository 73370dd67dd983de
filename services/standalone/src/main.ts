import { relative } from 'node:path';
import { runProcess } from '@sandlot/service-kit';
import { startStandalone } from './standalone.js';

const began = performance.now();
const say = (line: string): void => void process.stdout.write(`${line}\n`);

await runProcess('sandlot', { SANDLOT_LOG_LEVEL: 'warn', ...process.env }, async () => {
  const standalone = await startStandalone(process.env, (line) => say(`  ${line} …`));
  const { url, dataDir } = standalone;
  const keyFile = relative(process.cwd(), dataDir.adminKeyPath);
  say(`\nSandlot is ready at ${url} after ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  if (dataDir.newAdminKey) say(`  admin key   ${dataDir.newAdminKey}\n              shown only now; it is also in ${keyFile}`);
  else say(`  admin key   in ${keyFile}`);
  say(`  API         ${url}/docs\n  stop        Ctrl-C\n`);
  return standalone;
});
