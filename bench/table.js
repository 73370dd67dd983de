/** Writes the table of goals and latest results into bench/README.md, from the newest result file of each benchmark. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const goals = [
  {
    folder: 'accept',
    what: 'A sandbox accepted, 50 clients, 100/s: p50',
    unit: 'ms',
    atMost: 20,
    of: ({ result }) => result.sandlot.paced.p50,
  },
  { folder: 'accept', what: 'The same: p99', unit: 'ms', atMost: 100, of: ({ result }) => result.sandlot.paced.p99 },
  { folder: 'first-execute', what: 'Created to first `execute`: p50', unit: 'ms', atMost: 400, of: ({ result }) => result.polled.p50 },
  {
    folder: 'proxy',
    what: 'CPU of a proxied request',
    unit: 'us',
    atMost: 45,
    of: ({ results }) => results.find(({ part }) => part === 'sandlot').cpuMicroseconds,
  },
  { folder: 'rebuild', what: 'Rebuild of read models', unit: 'events/s', atLeast: 50_000, of: ({ rebuild }) => rebuild.eventsPerSecond },
  {
    folder: 'revocation',
    what: 'A revoked key refused everywhere, after the answer: p99',
    unit: 'ms',
    atMost: 250,
    of: ({ result }) => result.sinceAnswer.p99,
  },
  { folder: 'revocation', what: 'The same, after the request: p99', unit: 'ms', atMost: 250, of: ({ result }) => result.sinceRequest.p99 },
  { folder: 'idle-memory', what: 'Idle standalone: resident, all processes', unit: 'MiB', atMost: 500, of: ({ result }) => result.rss },
];

function newest(folder) {
  const results = join(import.meta.dirname, folder, 'results');
  const file =
    existsSync(results) &&
    readdirSync(results)
      .filter((name) => /^\d{4}-\d\d-\d\d.*\.json$/.test(name))
      .sort()
      .at(-1);
  return file ? { date: file.slice(0, 10), ...JSON.parse(readFileSync(join(results, file), 'utf8')) } : undefined;
}

const number = (value) => value.toLocaleString('en');

function row({ folder, what, unit, atMost, atLeast, of }) {
  const goal = atMost === undefined ? `at least ${number(atLeast)} ${unit}` : `at most ${number(atMost)} ${unit}`;
  const found = newest(folder);
  if (!found) return `| ${what} | ${goal} | not measured yet | | |`;
  const value = of(found);
  const met = atMost === undefined ? value >= atLeast : value <= atMost;
  return `| ${what} | ${goal} | ${number(value)} ${unit} | ${met ? 'yes' : 'no'} | [${found.date}](${folder}/results/) |`;
}

const readme = join(import.meta.dirname, 'README.md');
const table = ['| what | goal | latest | met | taken |', '|---|---|---|---|---|', ...goals.map(row)].join('\n');
const marked = /(<!-- results -->\n)[\s\S]*?(\n<!-- \/results -->)/;
writeFileSync(readme, readFileSync(readme, 'utf8').replace(marked, `$1\n${table}\n$2`));
console.log(table);
