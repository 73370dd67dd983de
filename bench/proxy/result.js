import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machine } from '../platform/machine.js';

/** Shows a result, and with `write` keeps it under `results/<name>`: Markdown for people, and JSON with all of it, for `bench/table.js`. */
export function report({ name, title, method, table, data, write }) {
  const on = machine();
  const named = `${on.cpu}, ${on.cores} cores, ${on.memoryGiB} GiB, Linux ${on.kernel}, Node ${on.node}.`;
  console.log(`${named} ${method}\n\n${table}`);
  if (!write) return;
  const date = new Date().toISOString().slice(0, 10);
  const folder = join(import.meta.dirname, 'results', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${date}.md`), `# ${title}, ${date}\n\n${named} ${method}\n\n${table}\n`);
  writeFileSync(join(folder, `${date}.json`), `${JSON.stringify({ date, machine: on, method, ...data }, null, 2)}\n`);
}
