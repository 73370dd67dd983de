import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { cleanUp } from '@sandlot/testing';
import { loadAverage, machine } from './machine.js';

/**
 * What every driver here does around its measurement: rounds that each start from nothing, the one in the middle by `by` as the result, a
 * table, and with `--write` a dated Markdown and JSON file. `--wait-for-quiet <minutes>` holds each round back until the machine's load
 * average is under 1, at most that long.
 *
 * `measure(options)` returns any JSON; `table(result)` the lines of the Markdown below the method.
 */
export async function runRounds({ folder, title, method, options = {}, measure, by, table }) {
  const shared = {
    rounds: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
    'wait-for-quiet': { type: 'string', default: '0' },
  };
  const { values } = parseArgs({ options: { ...shared, ...options } });
  process.once('SIGINT', () => void cleanUp().finally(() => process.exit(130)));
  const on = machine();
  const rounds = [];
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    await quiet(Number(values['wait-for-quiet']));
    const loadBefore = loadAverage();
    try {
      rounds.push({ loadBefore, ...(await measure(values)) });
    } finally {
      await cleanUp();
    }
    console.error(`round ${round}: ${JSON.stringify(by(rounds.at(-1)))}, load before ${loadBefore}`);
  }
  const result = [...rounds].sort((a, b) => by(a) - by(b))[Math.floor((rounds.length - 1) / 2)];
  const place = `${on.cores}-core ${on.cpu}, ${on.memoryGiB} GiB, Linux ${on.kernel}, Node ${on.node}, fsync ${on.fsyncMs} ms`;
  const loads = rounds.map(({ loadBefore }) => loadBefore).join(', ');
  const how = `${method} The median of ${rounds.length} rounds; load average before each: ${loads}.`;
  const text = `${place}\n\n${how}\n\n${table(result).join('\n')}\n`;
  console.log(text);
  if (!values.write) return;
  const date = new Date().toISOString().slice(0, 10);
  const results = join(folder, 'results');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, `${date}.md`), `# ${title}, ${date}\n\n${text}`);
  writeFileSync(join(results, `${date}.json`), `${JSON.stringify({ date, machine: on, method: how, result, rounds }, null, 2)}\n`);
}

async function quiet(minutes) {
  for (const deadline = Date.now() + minutes * 60_000; loadAverage() >= 1 && Date.now() < deadline;) await pause(5_000);
}

/** A verdict for a table. */
export const meets = (value, limit) => `${value} (${value <= limit ? 'met' : 'MISSED'}: at most ${limit})`;
