/**
 * What the standalone has in memory when nothing happens: no sandboxes, no requests, some time after its start. RSS counts what processes
 * share once for each of them, PSS once in all.
 *
 *   node bench/idle-memory/run.js [--seconds 30] [--rounds 3] [--write] [--wait-for-quiet MINUTES]
 */
import { setTimeout as pause } from 'node:timers/promises';
import { memoryOf, startCpuMeter, treeOf } from '../platform/machine.js';
import { meets, runRounds } from '../platform/rounds.js';
import { startStandalone } from '../platform/standalone.js';

async function measure({ seconds }) {
  const { pids, admin, stop } = await startStandalone({});
  admin.close();
  const meter = startCpuMeter({ ours: process.pid });
  await pause(Number(seconds) * 1000);
  const { cpuMs, othersCores } = meter();
  const processes = treeOf(pids.standalone).map(({ pid, name }) => ({ name, ...rounded(memoryOf(pid)) }));
  const missing = Object.entries(pids).filter(([, pid]) => !treeOf(pids.standalone).some((one) => one.pid === pid));
  if (missing.length > 0) throw new Error(`not in the process tree: ${missing.map(([name]) => name).join(', ')}`);
  await stop();
  const sum = (of) => +processes.reduce((total, one) => total + one[of], 0).toFixed(1);
  return {
    seconds: Number(seconds),
    othersCores,
    cpuPercent: +(cpuMs.ours / (Number(seconds) * 10)).toFixed(1),
    rss: sum('rss'),
    pss: sum('pss'),
    processes,
  };
}

const rounded = ({ rss, pss }) => ({ rss: +rss.toFixed(1), pss: +pss.toFixed(1) });

await runRounds({
  folder: import.meta.dirname,
  title: 'Idle standalone: memory',
  method:
    'The standalone as `make up` starts it, on empty data; nothing asked of it but who the administrator is. MiB of all its processes.',
  options: { seconds: { type: 'string', default: '30' } },
  measure,
  by: ({ rss }) => rss,
  table: ({ rss, pss, seconds, cpuPercent, processes }) => [
    `Goal, ${seconds} s after the start: ${meets(rss, 500)} MiB resident (RSS summed); shared pages counted once: ${pss} MiB (PSS). ` +
      `CPU meanwhile: ${cpuPercent} % of a core.`,
    '',
    '| process | RSS | PSS |',
    '|---|---|---|',
    ...processes.map((one) => `| ${one.name} | ${one.rss} | ${one.pss} |`),
    `| all ${processes.length} | ${rss} | ${pss} |`,
  ],
});
