import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cleanUp } from '@sandlot/testing';
import { idlePercent, machine } from './machine.js';

/** Cores that something else kept busy during a round, above which its times say more about that than about us. */
const disturbedAbove = 0.35;

/**
 * What every driver here does around its measurement: rounds that each start from nothing, the one in the middle by `by` as the result, a
 * table, and with `--write` a dated Markdown and JSON file. With `--wait-for-quiet <minutes>` each round waits until 90 % of the machine
 * are idle, and one that was disturbed all the same is set aside and repeated, for that long in all. Then the undisturbed ones count, however
 * few; only when there is none, the others do.
 *
 * `measure(options)` returns any JSON, with `othersCores`; `table(result)` the lines of the Markdown below the method.
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
  const { rounds, setAside } = await collect(Number(values.rounds), Date.now() + Number(values['wait-for-quiet']) * 60_000, async () => {
    const round = await measure(values).finally(cleanUp);
    console.error(`${JSON.stringify(by(round))}, ${round.othersCores} cores busy with others`);
    return round;
  });
  const result = [...rounds].sort((a, b) => by(a) - by(b))[Math.floor((rounds.length - 1) / 2)];
  const place = `${on.cores}-core ${on.cpu}, ${on.memoryGiB} GiB, Linux ${on.kernel}, Node ${on.node}, fsync ${on.fsyncMs} ms`;
  const others = rounds.map(({ othersCores }) => othersCores).join(', ');
  const aside = setAside > 0 ? ` Set aside because others kept the machine busy: ${setAside}.` : '';
  const how = `${method} The median of ${rounds.length} rounds; cores busy with others during each: ${others}.${aside}`;
  const text = `${place}\n\n${how}\n\n${table(result).join('\n')}\n`;
  console.log(text);
  if (!values.write) return;
  const date = new Date().toISOString().slice(0, 10);
  const results = join(folder, 'results');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, `${date}.md`), `# ${title}, ${date}\n\n${text}`);
  writeFileSync(join(results, `${date}.json`), `${JSON.stringify({ date, machine: on, method: how, result, rounds }, null, 2)}\n`);
}

async function collect(wanted, deadline, round) {
  const quiet = [];
  const disturbed = [];
  while (quiet.length < wanted && (Date.now() < deadline || quiet.length + disturbed.length < wanted)) {
    while (Date.now() < deadline && (await idlePercent(4)) < 90);
    const taken = await round();
    (taken.othersCores <= disturbedAbove ? quiet : disturbed).push(taken);
  }
  disturbed.sort((a, b) => a.othersCores - b.othersCores);
  return quiet.length > 0 ? { rounds: quiet, setAside: disturbed.length } : { rounds: disturbed.slice(0, wanted), setAside: 0 };
}

/** A verdict for a table. */
export const meets = (value, limit) => `${value} (${value <= limit ? 'met' : 'MISSED'}: at most ${limit})`;
