import { readFile } from 'node:fs/promises';
import { runOnce } from '@sandlot/service-kit';
import { tryPlatform } from './setup/first-sandbox.js';
import { ensureKeyFolder, filesIn, handOutUrls } from './setup/key-folder.js';
import { ensureSecrets, publishMigration, type Installation } from './setup/key-secrets.js';
import { keyGroupNames, type KeyGroupName } from './setup/keys.js';

/*
 * What has to be there before services run as processes of their own, and to see that they do. The Helm chart and docker-compose.yml call it;
 * in a cluster it acts as the service account of its pod, elsewhere as the kubeconfig says.
 */
const usage = `usage:
  setup files <dir>                                  makes all keys that are missing, and hands them out to a folder per service
  setup hand-out <dir> <urls dir>                    hands out the database URLs that a migration has left
  setup secrets <namespace> <prefix> <group>...      makes the Secrets <prefix>-<group> that are missing; groups: ${keyGroupNames.join(', ')}
  setup publish <namespace> <prefix> <urls dir> <migration>
                                                     puts the URLs into a Secret, and says that the migration is done
  setup try <url> <admin key file> [sandbox] [certificate=<file>]
                                                     whether the platform lets its administrator in, and runs a sandbox; over TLS with the
                                                     certificate in that file, whatever host is asked`;

await runOnce('setup', process.env, async () => {
  const [command, ...args] = process.argv.slice(2);
  const log = (line: string) => void process.stdout.write(`${line}\n`);
  if (command === 'files' && args.length === 1) return ensureKeyFolder(args[0]!, { postgresqlHost: 'postgres' });
  if (command === 'hand-out' && args.length === 2) return handOutUrls(args[0]!, args[1]!);
  if (command === 'secrets' && args.length > 2) {
    const made = await ensureSecrets(await installation(args[0]!, args[1]!), args.slice(2).map(groupOf));
    return log(made.length > 0 ? `made ${made.join(', ')}` : 'every Secret is there already');
  }
  if (command === 'publish' && args.length === 4)
    return publishMigration(await installation(args[0]!, args[1]!), await filesIn(args[2]!), args[3]!);
  if (command === 'try' && args.length >= 2 && args.slice(2).every((option) => /^(sandbox|certificate=.+)$/.test(option))) {
    const certificate = args.find((option) => option.startsWith('certificate='))?.slice('certificate='.length);
    return tryPlatform({
      url: args[0]!,
      adminKey: (await readFile(args[1]!, 'utf8')).trim(),
      sandbox: args.includes('sandbox'),
      certificate: certificate && (await readFile(certificate, 'utf8')),
      log,
    });
  }
  throw new Error(usage);
});

function groupOf(name: string): KeyGroupName {
  if (keyGroupNames.includes(name as KeyGroupName)) return name as KeyGroupName;
  throw new Error(`${name} is no group of keys; there are ${keyGroupNames.join(', ')}`);
}

async function installation(namespace: string, prefix: string): Promise<Installation> {
  const { CoreV1Api, KubeConfig } = await import('@kubernetes/client-node'); // slow to load, and only needed here
  const config = new KubeConfig();
  config.loadFromDefault();
  return { api: config.makeApiClient(CoreV1Api), namespace, prefix };
}
