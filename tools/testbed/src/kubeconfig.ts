import { writeFile } from 'node:fs/promises';

export type Credentials = { certificate: string; key: string } | { token: string } | undefined;

/** A kubeconfig with everything in it, in a file that only its owner reads. JSON is YAML. */
export async function writeKubeconfig(file: string, url: string, authority: string | undefined, credentials: Credentials): Promise<void> {
  const name = 'testbed';
  const cluster = { server: url, ...(authority && { 'certificate-authority-data': base64(authority) }) };
  const user =
    credentials && 'key' in credentials
      ? { 'client-certificate-data': base64(credentials.certificate), 'client-key-data': base64(credentials.key) }
      : { ...credentials };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
