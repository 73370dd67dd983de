import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '@sandlot/testing';
import { accessByKubeconfig, accessInCluster } from './access.js';

const base64 = (text: string) => Buffer.from(text).toString('base64');

async function kubeconfig(cluster: object, user: object): Promise<string> {
  const file = join(await tempDir(), 'kubeconfig');
  const config = {
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

describe('access to the Kubernetes API', () => {
  const server = 'https://10.0.0.1:6443';

  it('is by certificate, within the file or beside it', async () => {
    const user = { 'client-certificate-data': base64('cert'), 'client-key': 'key.pem' };
    const file = await kubeconfig({ server, 'certificate-authority-data': base64('ca'), 'tls-server-name': 'api' }, user);
    await writeFile(join(file, '..', 'key.pem'), 'key');
    const access = await accessByKubeconfig(file);
    expect(access.server.href).toBe(`${server}/`);
    expect(await access.credentials()).toEqual({
      headers: {},
      tls: { ca: Buffer.from('ca'), cert: Buffer.from('cert'), key: Buffer.from('key'), servername: 'api' },
    });
  });

  it('is by token, read from its file where it is one', async () => {
    expect((await (await accessByKubeconfig(await kubeconfig({ server }, { token: 't1' }))).credentials()).headers).toEqual({
      authorization: 'Bearer t1',
    });
    const file = await kubeconfig({ server }, { tokenFile: 'token' });
    await writeFile(join(file, '..', 'token'), 't2\n');
    expect((await (await accessByKubeconfig(file)).credentials()).headers).toEqual({ authorization: 'Bearer t2' });
  });

  it('S4-10 in a pod is by what the kubelet has put there', async () => {
    const folder = await tempDir();
    await writeFile(join(folder, 'token'), 't3');
    await writeFile(join(folder, 'ca.crt'), 'ca');
    const access = accessInCluster({ server: 'https://10.96.0.1:443', folder });
    expect(access.server.host).toBe('10.96.0.1');
    expect(await access.credentials()).toEqual({ headers: { authorization: 'Bearer t3' }, tls: { ca: 'ca' } });
  });

  it('by what only the client library knows, like a command that prints a token, is left to that', async () => {
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: 't4' } };
    const exec = { apiVersion: credential.apiVersion, command: 'echo', args: [JSON.stringify(credential)], interactiveMode: 'Never' };
    const access = await accessByKubeconfig(await kubeconfig({ server }, { exec }));
    expect((await access.credentials()).headers).toMatchObject({ Authorization: 'Bearer t4' });
  });

  it('is refused where credentials would be sent in the clear, and where the file says nothing', async () => {
    await expect(accessByKubeconfig(await kubeconfig({ server: 'http://10.0.0.1:8080' }, {}))).rejects.toThrow('is not https');
    await expect(accessByKubeconfig(await kubeconfig({}, {}))).rejects.toThrow('is not a kubeconfig');
    await expect(accessByKubeconfig('/nowhere/kubeconfig')).rejects.toThrow('cannot read /nowhere/kubeconfig');
  });
});
