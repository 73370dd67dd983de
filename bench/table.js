/** Writes the table of goals and latest results into bench/README.md, from the newest result file of each benchmark. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const of = (results, name) => results.find(({ part }) => part === name);
/** Not every run measures everything. */
const rounded = (value, digits) => (value === undefined ? undefined : +value.toFixed(digits));
/** How one forwarder's number relates to that of another in the same run. */
const ratio = (results, field, one, other) => +(of(results, one)[field] / of(results, other)[field]).toFixed(2);

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
    what: 'CPU of a proxied request, by the ratio to Envoy of the same run, on a machine where that takes 29.3 us',
    unit: 'us',
    atMost: 45,
    of: ({ results }) => rounded(29.3 * ratio(results, 'cpuMicroseconds', 'sandlot', 'envoy'), 1),
  },
  {
    folder: 'proxy',
    what: 'The same, times what Envoy takes without keys, owners, limits and records',
    unit: 'x',
    atMost: 1,
    of: ({ results }) => ratio(results, 'cpuMicroseconds', 'sandlot', 'envoy'),
  },
  {
    folder: 'proxy/results/depth',
    what: 'Added to a direct call at half load: p50',
    unit: 'ms',
    atMost: 0.3,
    of: ({ results }) => rounded(of(results, 'sandlot').added50Ms, 3),
  },
  {
    folder: 'proxy/results/depth',
    what: 'The same: p99',
    unit: 'ms',
    atMost: 1.5,
    of: ({ results }) => rounded(of(results, 'sandlot').added99Ms, 2),
  },
  {
    folder: 'proxy/results/depth',
    what: 'Download of 16 MiB, CPU per GiB, in parts of what HAProxy takes',
    unit: 'x',
    atMost: 1.5,
    of: ({ results }) => ratio(results, 'downloadSecondsPerGiB', 'sandlot', 'haproxy'),
  },
  {
    folder: 'proxy/results/depth',
    what: 'The same: upload',
    unit: 'x',
    atMost: 1.5,
    of: ({ results }) => ratio(results, 'uploadSecondsPerGiB', 'sandlot', 'haproxy'),
  },
  {
    folder: 'proxy/results/depth',
    what: 'WebSocket echo, 1,000 connections: echoes for the same CPU, times those of configurable-http-proxy',
    unit: 'x',
    atLeast: 2,
    of: ({ results }) => ratio(results, 'echoMicroseconds', 'configurable-http-proxy', 'sandlot'),
  },
  {
    folder: 'proxy/results/depth',
    what: 'Memory of an idle WebSocket',
    unit: 'KiB',
    atMost: 20,
    of: ({ results }) => rounded(of(results, 'sandlot').idleWebSocketKiB, 1),
  },
  {
    folder: 'proxy/results/depth',
    what: 'Memory of an idle tunnel',
    unit: 'KiB',
    atMost: 20,
    of: ({ results }) => rounded(of(results, 'sandlot').idleTunnelKiB, 1),
  },
  {
    folder: 'proxy/results/directory',
    what: 'A proxy that knows 100,000 keys and 20,000 routes: resident',
    unit: 'MiB',
    atMost: 150,
    of: ({ resident }) => Math.round(resident),
  },
  {
    folder: 'proxy/results/directory',
    what: "A route's change visible in every replica: p99",
    unit: 'ms',
    atMost: 100,
    of: ({ visible }) => visible.p99,
  },
  {
    folder: 'proxy/results/cold-start',
    what: 'Start of a proxy to its first authenticated answer: p50',
    unit: 'ms',
    atMost: 1000,
    of: ({ result }) => result.p50,
  },
  {
    folder: 'proxy/results/soak',
    what: '10 minutes of full load with churn: memory more than after the first',
    unit: 'MiB',
    atMost: 20,
    of: ({ grownMiB }) => grownMiB,
  },
  { folder: 'proxy/results/soak', what: 'The same: files left open', unit: 'files', atMost: 0, of: ({ leakedFiles }) => leakedFiles },
  { folder: 'rebuild', what: 'Rebuild of read models', unit: 'events/s', atLeast: 50_000, of: ({ rebuild }) => rebuild.eventsPerSecond },
  { folder: 'backup', what: 'Backup of 1,000,000 events, checked', unit: 's', atMost: 60, of: ({ backupSeconds }) => backupSeconds },
  {
    folder: 'backup',
    what: 'Restore of 1,000,000 events, with the rebuild of a read model',
    unit: 's',
    atMost: 180,
    of: ({ restoreWithRebuildSeconds }) => restoreWithRebuildSeconds,
  },
  {
    folder: 'revocation',
    what: 'A revoked key refused everywhere, after the answer: p99',
    unit: 'ms',
    atMost: 250,
    of: ({ result }) => result.sinceAnswer.p99,
  },
  { folder: 'revocation', what: 'The same, after the request: p99', unit: 'ms', atMost: 250, of: ({ result }) => result.sinceRequest.p99 },
  {
    folder: 'kubernetes',
    what: 'API calls per sandbox, 500 users and 2,000 sandboxes',
    unit: 'calls',
    atMost: 12,
    of: ({ result }) => result.steady.callsPerSandbox,
  },
  { folder: 'kubernetes', what: 'The same: memory of the provisioner', unit: 'MiB', atMost: 238, of: ({ result }) => result.memoryMiB },
  { folder: 'kubernetes', what: 'The same: full drift pass', unit: 's', atMost: 30, of: ({ result }) => result.drift.seconds },
  {
    folder: 'kubernetes',
    what: 'The same: calls in a quiet minute',
    unit: 'calls',
    atMost: 0,
    of: ({ result }) => result.quietMinute.calls,
  },
  {
    folder: 'kubernetes',
    what: 'The same: a hand-deleted policy is back, longest',
    unit: 'ms',
    atMost: 2_000,
    of: ({ result }) => result.policyBackMs.max,
  },
  {
    folder: 'kubernetes-start',
    what: 'On a node: created to first answer, times a bare pod to Ready: p50',
    unit: 'times',
    atMost: 1.25,
    of: ({ result }) => result.ratio,
  },
  {
    folder: 'install',
    what: 'Installed with Helm, images on the node: first command to first code in a sandbox',
    unit: 's',
    atMost: 180,
    of: ({ result }) => result.seconds,
  },
  {
    folder: 'install',
    what: 'The same: all pods of the platform at rest, shared pages counted once',
    unit: 'MB',
    atMost: 900,
    of: ({ result }) => result.pssMB,
  },
  { folder: 'idle-memory', what: 'Idle standalone: resident, all processes', unit: 'MiB', atMost: 500, of: ({ result }) => result.rss },
];

/** A benchmark's folder, or, where it has several results, the one with these. */
const resultsOf = (folder) => join(import.meta.dirname, folder, folder.includes('/') ? '.' : 'results');

function newest(folder) {
  const results = resultsOf(folder);
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
  const value = found && of(found);
  if (value === undefined) return `| ${what} | ${goal} | not measured yet | | |`;
  const met = atMost === undefined ? value >= atLeast : value <= atMost;
  return `| ${what} | ${goal} | ${number(value)} ${unit} | ${met ? 'yes' : 'no'} | [${found.date}](${relative(import.meta.dirname, resultsOf(folder))}/) |`;
}

const readme = join(import.meta.dirname, 'README.md');
const table = ['| what | goal | latest | met | taken |', '|---|---|---|---|---|', ...goals.map(row)].join('\n');
const marked = /(<!-- results -->\n)[\s\S]*?(<!-- \/results -->)/;
writeFileSync(readme, readFileSync(readme, 'utf8').replace(marked, `$1\n${table}\n\n$2`));
console.log(table);
