/**
 * Where the time of a CPU profile went, by function and by package, without what it was idle:
 *
 *   node bench/platform/hot-spots.js FILE.cpuprofile [FIRST_SECOND [LAST_SECOND]]
 */
import { readFileSync } from 'node:fs';

const [file, from = '0', to = 'Infinity'] = process.argv.slice(2);
const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
const byId = new Map(nodes.map((node) => [node.id, node]));
const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
const self = new Map();
let now = 0;
samples.forEach((id, index) => {
  now += timeDeltas[index] / 1e6;
  if (now >= Number(from) && now < Number(to)) self.set(id, (self.get(id) ?? 0) + timeDeltas[index] / 1000);
});

const place = ({ url, lineNumber }) => {
  const path = url
    .replace(/^file:\/\//, '')
    .replace(/^.*\/node_modules\/(?=[^/])/, '')
    .replace(/^.*\/((libs|services|runtime)\/)/, '$1');
  return path === '' ? '' : `${path}:${lineNumber + 1}`;
};
const packageOf = (frame) => {
  const path = place(frame).replace(/^node:.*/, 'node');
  if (path === '') return frame.functionName.startsWith('(') ? frame.functionName : '(native)';
  return path.startsWith('@') || /^(libs|services)\//.test(path) ? path.split('/').slice(0, 2).join('/') : path.split('/')[0];
};
const add = (map, key, ms) => map.set(key, (map.get(key) ?? 0) + ms);
const functions = new Map();
const packages = new Map();
const totals = new Map();
let busy = 0;
for (const [id, ms] of self) {
  const { callFrame } = byId.get(id);
  if (callFrame.functionName === '(idle)') continue;
  busy += ms;
  add(functions, `${callFrame.functionName || '(anonymous)'} ${place(callFrame)}`, ms);
  add(packages, packageOf(callFrame), ms);
  const seen = new Set();
  for (let at = id; at !== undefined; at = parents.get(at)) {
    const frame = byId.get(at).callFrame;
    const name = `${frame.functionName || '(anonymous)'} ${place(frame)}`;
    if (seen.has(name)) continue;
    seen.add(name);
    if (/libs\/|services\//.test(name)) add(totals, name, ms);
  }
}
const show = (title, map, count) => {
  console.log(`\n${title}`);
  for (const [name, ms] of [...map].sort((a, b) => b[1] - a[1]).slice(0, count))
    console.log(`${((100 * ms) / busy).toFixed(1).padStart(6)} %  ${ms.toFixed(0).padStart(6)} ms  ${name}`);
};
console.log(`busy ${(busy / 1000).toFixed(1)} s of ${now.toFixed(1)} s`);
show('packages, own time', packages, 30);
show('functions, own time', functions, 40);
show('our functions, with all that they call', totals, 60);
