import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { certificateAuthority } from '@sandlot/testbed';
import { atEnd } from '@sandlot/testing';
import { tryPlatform } from './first-sandbox.js';

const authority = certificateAuthority('an authority that nobody here knows');
const certificateFor = (...names: string[]) => authority.issue({ commonName: names[0]!, names });
const served = certificateFor('sandlot.example.com', '*.sandboxes.example.com');

async function publicPort({ certificate, key } = served): Promise<string> {
  const server = createServer({ cert: certificate, key }, (request, response) => {
    response.end(JSON.stringify({ username: request.headers.authorization, role: 'admin' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => void server.close());
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const attempt = (url: string, certificate?: string) =>
  tryPlatform({ url, adminKey: 'the key', sandbox: false, certificate, log: () => undefined });

describe('the trial of an installation', () => {
  it('believes a public port that shows the certificate which it was given, under whatever address it is asked', async () => {
    await expect(attempt(await publicPort(), served.certificate)).resolves.toBeUndefined();
    const wildcard = certificateFor('*.sandboxes.example.com');
    await expect(attempt(await publicPort(wildcard), wildcard.certificate)).resolves.toBeUndefined();
  });

  it('shows its key to nobody who has another certificate', async () => {
    await expect(attempt(await publicPort(certificateFor('sandlot.example.com')), served.certificate)).rejects.toThrow('does not answer');
    await expect(attempt(await publicPort())).rejects.toThrow('does not answer');
  });

  it('says that a certificate without a name will not do', async () => {
    const { certificate } = authority.issue({ commonName: 'nameless' });
    await expect(attempt(await publicPort(), certificate)).rejects.toThrow('has no DNS name');
  });
});
