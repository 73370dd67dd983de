import { closeSync, fsyncSync, openSync, readFileSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from './percentiles.js';

/** User, system and so on of all cores together count 100 a second each. */
const CLOCK_TICKS = 100;
const read = (path) => readFileSync(path, 'latin1');
const tried = (look) => {
  try {
    return look();
  } catch {
    return undefined; // the process has ended meanwhile
  }
};

/** What the numbers were taken on, in words that name no host. */
export function machine() {
  const cpu = /^model name\s*:\s*(.+)$/m.exec(read('/proc/cpuinfo'))?.[1] ?? process.arch;
  return {
    cpu: cpu.trim(),
    cores: read('/proc/cpuinfo').match(/^processor\s*:/gm).length,
    memoryGiB: Math.round(Number(/^MemTotal:\s+(\d+)/m.exec(read('/proc/meminfo'))[1]) / 2 ** 20),
    kernel: /^\d+\.\d+(\.\d+)?/.exec(read('/proc/sys/kernel/osrelease'))[0],
    node: process.versions.node,
    fsyncMs: fsyncMs(),
  };
}

/** Median of 50 appends of 4 KiB with fsync: what every acknowledged event waits for at least. */
function fsyncMs() {
  const path = join(tmpdir(), `sandlot-fsync-${process.pid}`);
  const file = openSync(path, 'a');
  const times = Array.from({ length: 50 }, () => {
    const began = performance.now();
    writeSync(file, Buffer.alloc(4096));
    fsyncSync(file);
    return performance.now() - began;
  });
  closeSync(file);
  rmSync(path);
  return +percentile(times, 50).toFixed(2);
}

/** How much of the machine was idle in the next seconds, in percent. The load average would still count one's own last round. */
export async function idlePercent(seconds) {
  const before = cpuTimes();
  await pause(seconds * 1000);
  const after = cpuTimes();
  return Math.round((100 * (after.idle - before.idle)) / (after.idle - before.idle + after.busy - before.busy));
}

function cpuTimes() {
  const [user, nice, system, idle, iowait, irq, softirq, steal] = read('/proc/stat')
    .split('\n', 1)[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { busy: user + nice + system + irq + softirq + steal, idle: idle + iowait };
}

/** Every process of the tree, the root included, without those of `others` and what they started; named after the program it runs. */
export function treeOf(root, others = []) {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => tried(() => processOf(Number(pid))) ?? []);
  const found = all.filter(({ pid }) => pid === root);
  for (const parent of found) found.push(...all.filter(({ pid, ppid }) => ppid === parent.pid && !others.includes(pid)));
  return found;
}

function processOf(pid) {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const words = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
  return { pid, ppid: Number(fields[1]), name: nameOf(words), cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / CLOCK_TICKS };
}

function nameOf(words) {
  const postgres = /^postgres: (.+)/.exec(words)?.[1];
  // A backend shows role, database, address and what it does: the role is enough.
  if (postgres) return `postgres: ${/^\S+ \S+ \S+\(\d+\)/.test(postgres) ? `session of ${postgres.split(' ')[0]}` : postgres}`;
  if (/\/postgres\b/.test(words)) return 'postgres';
  const program = /([a-z-]+)\/dist\/main\.js/.exec(words)?.[1];
  return program ?? /(?:^|\/)([\w.-]+)(?: |$)/.exec(words)?.[1]?.replace(/-\d.*/, '') ?? words.slice(0, 30);
}

/** What a process has in memory, in MiB: all of it, and with what it shares divided among those who share it. */
export function memoryOf(pid) {
  const rollup = tried(() => read(`/proc/${pid}/smaps_rollup`)) ?? '';
  const of = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? 0) / 1024;
  return { rss: of('Rss'), pss: of('Pss') };
}

/**
 * CPU over a span of time, in ms: of the processes named by pid, each with what it has started unless that has a name too, and how many
 * cores everything else on the machine kept busy, which tells how far to trust the times of this run.
 */
export function startCpuMeter(roots) {
  const total = () => (cpuTimes().busy * 1000) / CLOCK_TICKS;
  const ours = () => {
    const all = Object.values(roots);
    const names = Object.entries(roots).map(([name, pid]) => [name, treeOf(pid, all).reduce((sum, { cpuMs }) => sum + cpuMs, 0)]);
    return Object.fromEntries(names);
  };
  const before = { at: performance.now(), total: total(), ours: ours() };
  return () => {
    const elapsed = performance.now() - before.at;
    const after = ours();
    const cpuMs = Object.fromEntries(Object.keys(roots).map((name) => [name, Math.round(after[name] - before.ours[name])]));
    const others = total() - before.total - Object.values(cpuMs).reduce((sum, ms) => sum + ms, 0);
    return { cpuMs, othersCores: +Math.max(0, others / elapsed).toFixed(2) };
  };
}
