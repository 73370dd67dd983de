import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeUnless, tempDir, testTool } from '@sandlot/testing';
import { productionValues, render } from './testing/chart.js';
import { yamlFile } from './testing/repository-file.js';

/** What others' programs say against the chart is either mended or explained, in deploy/helm/exceptions.yaml. */
interface Finding {
  check: string;
  /** Kind and name. */
  where: string;
}
type Exceptions = Record<string, { where?: string; reason: string }>;

const variants: [string, object, string[]][] = [
  ['by default', {}, []],
  [
    'for production',
    {
      accessUrl: 'https://sandlot.example.com',
      ingress: { enabled: true, host: 'sandlot.example.com', tls: { enabled: true } },
      keys: { existing: { masterKey: 'master', postgresql: 'database' } },
      backup: { enabled: true, claim: 'backups' },
    },
    [productionValues],
  ],
];
const checkov = testTool('checkov');
const kubeScore = testTool('kube-score');
const missing = (name: string, tool: string | undefined) =>
  tool ? undefined : `${name} is not installed; scripts/install-test-programs.sh --all`;

/** Its exit code says that something was found, which is no failure here. */
const output = (program: string, args: string[]) =>
  new Promise<string>((resolve, reject) => {
    execFile(program, args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
      stdout ? resolve(stdout) : reject(new Error(`${program} said nothing: ${stderr}`, { cause: error })),
    );
  });

async function rendered(values: object, files: string[]): Promise<string> {
  const file = join(await tempDir(), 'rendered.yaml');
  await writeFile(file, await render(values, files));
  return file;
}

function unexplained(findings: Finding[][], exceptions: Exceptions): { unexplained: string[]; idle: string[] } {
  const all = findings.flat();
  const covers = (check: string, { check: found, where }: Finding) =>
    check === found && new RegExp(exceptions[check]!.where ?? '').test(where);
  const checks = Object.keys(exceptions);
  return {
    unexplained: [
      ...new Set(all.filter((one) => !checks.some((check) => covers(check, one))).map(({ check, where }) => `${check}: ${where}`)),
    ],
    idle: checks.filter((check) => !all.some((one) => covers(check, one))),
  };
}

describe('what scanners say against the chart', () => {
  describeUnless(missing('checkov', checkov))('checkov', () => {
    it('is mended or explained, and nothing is explained that is not found', async () => {
      const findings = await Promise.all(
        variants.map(async ([, values, files]) => {
          const args = [
            '-f',
            await rendered(values, files),
            '--framework',
            'kubernetes',
            '--skip-download',
            '--quiet',
            '--compact',
            '-o',
            'json',
          ];
          const { results, summary } = JSON.parse(await output(checkov!, args)) as {
            results: { failed_checks: { check_id: string; resource: string }[] };
            summary: { passed: number };
          };
          expect(summary.passed).toBeGreaterThan(500);
          return results.failed_checks.map(({ check_id: check, resource }) => {
            const [kind, , ...name] = resource.split('.');
            return { check, where: `${kind} ${name.join('.')}` };
          });
        }),
      );
      const { checkov: exceptions } = await yamlFile<Record<string, Exceptions>>('deploy', 'helm', 'exceptions.yaml');
      expect(unexplained(findings, exceptions!)).toEqual({ unexplained: [], idle: [] });
    }, 300_000);
  });

  describeUnless(missing('kube-score', kubeScore))('kube-score', () => {
    it('is mended or explained where it is critical, and nothing is explained that is not found', async () => {
      const findings = await Promise.all(
        variants.map(async ([, values, files]) => {
          const said = await output(kubeScore!, ['score', await rendered(values, files), '-o', 'ci']);
          expect(said.match(/^\[OK\]/gm)!.length).toBeGreaterThan(100);
          return [...said.matchAll(/^\[CRITICAL\] (\S+)\/\S+ \S+\/(\w+): (?:\(\w+\) )?(.+)$/gm)].map(([, name, kind, check]) => ({
            check: check!,
            where: `${kind} ${name}`,
          }));
        }),
      );
      const { 'kube-score': exceptions } = await yamlFile<Record<string, Exceptions>>('deploy', 'helm', 'exceptions.yaml');
      expect(unexplained(findings, exceptions!)).toEqual({ unexplained: [], idle: [] });
    }, 120_000);
  });
});
