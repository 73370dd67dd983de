// Proves that the rules of .dependency-cruiser.cjs fire: breaks each one once in a scratch tree, and passes a tree that keeps them all.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');
const { forbidden } = createRequire(import.meta.url)(join(root, '.dependency-cruiser.cjs'));

const sound = {
  'package.json': '{ "name": "scratch", "dependencies": { "zod": "*", "pg": "*" } }',
  'node_modules/zod/package.json': '{ "name": "zod", "main": "index.js" }',
  'node_modules/zod/index.js': '',
  'node_modules/pg/package.json': '{ "name": "pg", "main": "index.js" }',
  'node_modules/pg/index.js': '',
  'node_modules/left-over/package.json': '{ "name": "left-over", "main": "index.js" }',
  'node_modules/left-over/index.js': '',
  'libs/kernel/src/index.ts': "import 'node:crypto'; import type {} from 'zod'; export const a = 1;",
  'libs/contracts/src/index.ts': "import '@sandlot/kernel'; import 'zod';",
  'libs/testing/src/index.ts': 'export const t = 1;',
  'tools/testbed/src/index.ts': "import '@sandlot/testing';",
  'libs/event-store/src/index.ts': "import '@sandlot/contracts'; import 'pg'; import './inside.js';",
  'libs/event-store/src/inside.ts': 'export const i = 1;',
  'libs/event-store/src/inside.spec.ts': "import '@sandlot/testing'; import '@sandlot/testbed'; import './inside.js';",
  'services/auth/src/domain/user/user.ts': "import '@sandlot/kernel'; import '@sandlot/contracts';",
  'services/auth/src/index.ts': "import './auth.module.js';",
  'services/auth/src/auth.module.ts': "import './adapters/store.js'; import './domain/user/user.js';",
  'services/auth/src/adapters/store.ts': "import 'node:fs'; import '@sandlot/event-store';",
  'services/audit/src/index.ts': 'export const a = 1;',
  'services/standalone/src/index.ts': "import '@sandlot/auth';",
  'runtime/src/index.ts': "import 'node:http';",
};

/** What breaks each rule. All of it stands in one tree, so every file is named after its rule. */
const broken = {
  'no-cycles': { 'libs/event-store/src/cycle-a.ts': "import './cycle-b.js';", 'libs/event-store/src/cycle-b.ts': "import './cycle-a.js';" },
  'everything-resolves': { 'libs/event-store/src/resolves.ts': "import './nowhere.js';" },
  'sources-not-builds': { 'libs/event-store/src/builds.ts': "import '../dist/index.js';", 'libs/event-store/dist/index.js': '' },
  'what-is-imported-is-declared': { 'libs/event-store/src/declared.ts': "import 'left-over';" },
  'packages-meet-at-their-index': { 'services/auth/src/index-only.ts': "import '../../../libs/event-store/src/inside.js';" },
  'domain-is-pure': { 'services/auth/src/domain/user/pure.ts': "import '@sandlot/event-store';" },
  'domain-needs-no-node': { 'services/auth/src/domain/user/node.ts': "import 'node:crypto';" },
  'kernel-depends-on-nothing': { 'libs/kernel/src/kernel.ts': "import 'pg';" },
  'contracts-are-pure': { 'libs/contracts/src/contracts.ts': "import 'pg';" },
  'services-never-import-services': { 'services/auth/src/services.ts': "import '@sandlot/audit';" },
  'libs-never-import-services': { 'libs/event-store/src/libs.ts': "import '@sandlot/audit';" },
  'only-the-module-picks-adapters': { 'services/auth/src/adapter.ts': "import './adapters/store.js';" },
  'production-never-imports-testing': { 'services/auth/src/production.ts': "import '@sandlot/testing';" },
  'only-specs-start-clusters': { 'services/auth/src/clusters.ts': "import '@sandlot/testbed';" },
  'the-sandbox-runtime-stands-alone': { 'runtime/src/alone.ts': "import 'pg';" },
  'no-names-that-say-nothing': {
    'services/auth/src/names.ts': "import './utils.js';",
    'services/auth/src/utils.ts': 'export const u = 1;',
  },
};

/** The rules that a tree of these files breaks, and in which file. */
async function violations(files) {
  const dir = await mkdtemp(join(tmpdir(), 'sandlot-import-rules-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(dir, path)), { recursive: true });
      await writeFile(join(dir, path), text);
    }
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.paths.json', 'tsconfig.base.json'])
      await copyFile(join(root, file), join(dir, file));
    const args = ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'libs', 'services', 'runtime', 'tools'];
    const program = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], { cwd: dir }).catch((error) => {
      if (error.stdout) return error;
      throw error;
    });
    return JSON.parse(stdout).summary.violations.map(({ rule, from }) => ({ rule: rule.name, from }));
  } finally {
    await rm(dir, { recursive: true });
  }
}

const failures = (await violations(sound)).map(({ rule, from }) => `${rule}: ${from} keeps the rule, but is said to break it`);
const found = await violations(Object.assign({ ...sound }, ...Object.values(broken)));
for (const { name } of forbidden) {
  const files = Object.keys(broken[name] ?? {});
  if (!found.some(({ rule, from }) => rule === name && files.includes(from))) failures.push(`${name} does not fire`);
}
for (const failure of failures) console.error(failure);
if (failures.length > 0) process.exit(1);
console.log(`${forbidden.length} import rules fire`);
