import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataDirFor, execute, modes, openRuntime } from './process-runtime.fixture.js';
import { testRuntime } from './runtime.features.js';

for (const mode of modes)
  testRuntime(`process (as ${mode.mode})`, async () => {
    const dataDir = await dataDirFor(mode);
    const runtime = await openRuntime(dataDir);
    return {
      runtime,
      real: true,
      crash: async (sandboxId) => {
        await execute(runtime, sandboxId, 'kill -9 $PPID').catch(() => undefined);
      },
      occupyNamespace: async (name) => {
        await mkdir(join(dataDir, 'sandboxes', name));
        await writeFile(join(dataDir, 'sandboxes', name, 'thesis.txt'), 'mine');
      },
    };
  });
