// Finds or fetches the nats-server once, so that tests that run side by side need not each do it. Needs a build.
import { findNatsServer } from '../libs/embedded/dist/index.js';

try {
  await findNatsServer({ log: (line) => console.log(`  ${line}`) });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
