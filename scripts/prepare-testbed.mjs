// Builds what the tests' Kubernetes is made of, once, where the tests that are about to run need it: a test could not wait for that. Gets
// the arguments that jest will get. Needs a build.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { delimiter, join, relative, sep } from 'node:path';
import {
  agentSandboxFiles,
  controlPlaneBinaries,
  helm3Binary,
  helmBinary,
  networkPoliciesBinary,
  nodeBinaries,
  prometheusBinaries,
  whyNoNetworkPolicies,
  whyNoNode,
} from '../tools/testbed/dist/index.js';

const root = join(import.meta.dirname, '..');
const log = (line) => console.log(`  ${line}`);

/** The packages, such as services/provisioner, that have a test which will run. */
function packagesToTest() {
  const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, stdio: ['ignore', 'pipe', 'inherit'] };
  const files = execFileSync(process.execPath, [jest, '--listTests', ...process.argv.slice(2)], options)
    .split('\n')
    .filter(Boolean);
  const folders = files.map((file) => relative(root, file).split(sep));
  return new Set(folders.map((parts) => parts.slice(0, parts.indexOf('src')).join(sep)));
}

function mentions(text) {
  const sources = (folder) => readdirSync(join(root, folder, 'src'), { recursive: true }).filter((file) => file.endsWith('.ts'));
  return (folder) => sources(folder).some((file) => readFileSync(join(root, folder, 'src', file), 'utf8').includes(text));
}

/** Debian's runc is built with seccomp, which the kubelet asks for. iptables leads packets to what enforces NetworkPolicies. */
function installForNodes() {
  const there = (program) => process.env.PATH.split(delimiter).some((folder) => existsSync(join(folder, program)));
  if (process.getuid?.() !== 0 || (there('runc') && there('iptables')) || !there('apt-get')) return;
  log('installing runc and iptables with apt-get, for tests with containers ...');
  const apt = (...args) =>
    execFileSync('apt-get', args, { stdio: 'pipe', timeout: 300_000, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  try {
    apt('update');
    apt('install', '-y', '--no-install-recommends', 'runc', 'iproute2', 'iptables');
  } catch (error) {
    log(`apt-get failed: ${(error.stderr?.toString() || error.message).trim().split('\n').at(-1)}`);
  }
}

try {
  const packages = [...packagesToTest()];
  if (packages.some(mentions('@sandlot/testbed')) || packages.includes(join('tools', 'testbed'))) await controlPlaneBinaries({ log });
  if (packages.some(mentions('helmBinary'))) await helmBinary({ log });
  if (packages.some(mentions('helm3Binary'))) await helm3Binary({ log });
  if (packages.some(mentions('prometheusBinaries'))) await prometheusBinaries({ log });
  if (packages.some(mentions('whyNoNode'))) {
    installForNodes();
    const reason = whyNoNode();
    if (reason) log(`tests with containers are skipped: ${reason}`);
    else await nodeBinaries({ log });
  }
  if (packages.some(mentions('startAgentSandbox')) || packages.some(mentions('agentSandboxFiles'))) await agentSandboxFiles({ log });
  if (packages.some(mentions('whyNoNetworkPolicies'))) {
    const reason = whyNoNetworkPolicies();
    if (reason) log(`tests of the enforcement of NetworkPolicies are skipped: ${reason}`);
    else await networkPoliciesBinary({ log });
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
