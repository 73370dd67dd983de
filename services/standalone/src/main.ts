import { relative } from 'node:path';
import { runProcess } from '@sandlot/service-kit';
import { startStandalone } from './standalone.js';

const began = performance.now();
const say = (line: string): void => void process.stdout.write(`${line}\n`);

// PORT is the older name of the setting; SANDLOT_PORT wins.
const env = { SANDLOT_LOG_LEVEL: 'warn', SANDLOT_PORT: process.env.PORT, ...process.env };

await runProcess('sandlot', env, async () => {
  const standalone = await startStandalone(env, (line) => say(`  ${line} …`));
  const { url, dataDir } = standalone;
  const keyFile = relative(process.cwd(), dataDir.adminKeyPath);
  say(`\nSandlot is ready at ${url} after ${((performance.now() - began) / 1000).toFixed(1)} s\n`);
  if (dataDir.newAdminKey) say(`  admin key   ${dataDir.newAdminKey}\n              shown only now; it is also in ${keyFile}`);
  else say(`  admin key   in ${keyFile}`);
  say(`  API         ${url}/docs\n  stop        Ctrl-C\n`);
  return standalone;
});
