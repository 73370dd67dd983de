// Brings the definition of Sandbox of kubernetes-sigs/agent-sandbox into the chart:
//   node scripts/vendor-agent-sandbox.mjs <agents.x-k8s.io_sandboxes.yaml>
// In v1beta1 alone, which needs no converting webhook, and without descriptions, which are 100 kB of it. Writes to standard output.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

const [file] = process.argv.slice(2);
if (!file) {
  console.error('which file? agentSandboxFiles() of the testbed has one, of the version that is tested with');
  process.exit(2);
}
const { metadata, spec, ...rest } = parse(readFileSync(file, 'utf8'));
const { conversion: _, versions, ...others } = spec;
const definition = {
  ...rest,
  metadata: { ...metadata, annotations: { 'helm.sh/resource-policy': 'keep' } },
  spec: { ...others, conversion: { strategy: 'None' }, versions: versions.filter(({ name }) => name === 'v1beta1') },
};

/** Of schemas alone: what is called `description` among properties is a property. */
function undescribed(schema) {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(undescribed);
  const entries = Object.entries(schema).filter(([key, value]) => key !== 'description' || typeof value !== 'string');
  return Object.fromEntries(entries.map(([key, value]) => [key, undescribed(value)]));
}
process.stdout.write(`${JSON.stringify(undescribed(definition))}\n`);
