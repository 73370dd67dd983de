import type { CoreV1Api, V1Secret } from '@kubernetes/client-node';
import { completed, type KeyGroup, type KeyGroupName } from './keys.js';

/** The Secrets and the ConfigMap of an installation in a cluster: `<prefix>-<group>` in its namespace. */
export interface Installation {
  readonly api: CoreV1Api;
  readonly namespace: string;
  readonly prefix: string;
}

/** Makes the Secrets that are missing and adds what is missing in others. Answers the names of those that it has changed. */
export async function ensureSecrets(installation: Installation, groups: readonly KeyGroupName[]): Promise<string[]> {
  const place = { postgresqlHost: `${installation.prefix}-postgresql` };
  const changed: string[] = [];
  for (const group of groups) {
    const name = await ensureSecret(installation, group, (has) => completed(group, has, place));
    if (name) changed.push(name);
  }
  return changed;
}

/**
 * After a migration: the URL of each service into a Secret, and then the word that this migration is done into a ConfigMap, which the
 * services' pods mount and so wait for. In this order, for a pod that sees the word must find its URL.
 */
export async function publishMigration(installation: Installation, urls: KeyGroup, migration: string): Promise<void> {
  await ensureSecret(installation, 'database-urls', () => urls);
  const { api, namespace, prefix } = installation;
  const name = `${prefix}-migrations`;
  await atMost3Times(async () => {
    const present = await unlessMissing(api.readNamespacedConfigMap({ name, namespace }));
    if (present?.data?.[migration]) return;
    const data = { ...present?.data, [migration]: 'done' };
    if (present) await api.replaceNamespacedConfigMap({ name, namespace, body: { ...present, data } });
    else await api.createNamespacedConfigMap({ namespace, body: { metadata: { name, labels: labelsOf(installation) }, data } });
  });
}

async function ensureSecret(installation: Installation, group: string, wanted: (has: KeyGroup) => KeyGroup): Promise<string | undefined> {
  const { api, namespace, prefix } = installation;
  const name = `${prefix}-${group}`;
  return atMost3Times(async () => {
    const present = await unlessMissing(api.readNamespacedSecret({ name, namespace }));
    const has = contentOf(present);
    const content = wanted(has);
    if (present && Object.entries(content).every(([file, text]) => has[file] === text)) return undefined;
    const stringData = { ...content };
    // A resourceVersion that is no longer the newest is refused, so that of two that fill it at once the second looks again.
    if (present) await api.replaceNamespacedSecret({ name, namespace, body: { ...present, stringData } });
    else await api.createNamespacedSecret({ namespace, body: { metadata: { name, labels: labelsOf(installation) }, stringData } });
    return name;
  });
}

const labelsOf = ({ prefix }: Installation): Record<string, string> => ({
  'app.kubernetes.io/part-of': 'sandlot',
  'app.kubernetes.io/managed-by': 'sandlot-setup',
  'sandlot.dev/installation': prefix,
});

function contentOf(secret: V1Secret | undefined): KeyGroup {
  return Object.fromEntries(Object.entries(secret?.data ?? {}).map(([file, text]) => [file, Buffer.from(text, 'base64').toString('utf8')]));
}

async function unlessMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  return reading.catch((error: { code?: number }) => {
    if (error.code === 404) return undefined;
    throw error;
  });
}

/** Again on 409: somebody else was quicker, and what he has made is to be kept. */
async function atMost3Times<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if ((error as { code?: number }).code !== 409 || tries === 3) throw error;
    }
  }
}
