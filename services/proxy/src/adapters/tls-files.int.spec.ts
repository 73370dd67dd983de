import { rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateAuthority } from '@sandlot/testbed';
import { tempDir, waitFor } from '@sandlot/testing';
import { TlsFiles } from './tls-files.js';

const authority = certificateAuthority('authority');
const issue = (expiresAt?: number) => authority.issue({ commonName: 'sandlot', names: ['127.0.0.1'], expiresAt });

describe('the files of a certificate', () => {
  let certFile: string;
  let keyFile: string;
  let files: TlsFiles | undefined;
  const problems: unknown[] = [];
  const written = async (certificate: string, key: string) => {
    await writeFile(keyFile, key);
    await writeFile(certFile, certificate);
  };
  const open = (more: object = {}) =>
    TlsFiles.open({ certFile, keyFile, everyMs: 10, onProblem: (problem) => problems.push(problem), ...more });

  beforeEach(async () => {
    const folder = await tempDir();
    [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    problems.length = 0;
  });

  afterEach(() => files?.close());

  it('are taken when they fit together (S4-09)', async () => {
    const { certificate, key } = issue();
    await written(certificate, key);
    files = await open();
    expect(files.credentials).toEqual({ cert: certificate, key });
    expect(files.expires.getTime()).toBeGreaterThan(Date.now());
  });

  it('that do not fit together, or are none, are refused, with what to do and without what stands in them (S4-09)', async () => {
    const [one, other] = [issue(), issue()];
    await expect(open()).rejects.toThrow(`cannot read ${certFile} (ENOENT)`);
    await written(one.certificate, other.key);
    await expect(open()).rejects.toThrow(`the key in ${keyFile} is not that of the certificate in ${certFile}`);
    await written('nonsense-1', one.key);
    await expect(open()).rejects.toThrow(`${certFile} does not hold a certificate in PEM`);
    await written(one.certificate, 'nonsense-2');
    await expect(open()).rejects.toThrow(`${keyFile} does not hold an unencrypted private key in PEM`);
    await written(one.certificate, one.key);
    await expect(open({ clientCaFile: keyFile })).rejects.toThrow('does not hold certificates of an authority');
  });

  it('are taken again when they are replaced, also by a link, and only when both are', async () => {
    const [before, after] = [issue(), issue(Date.now() + 3_600_000)];
    await written(before.certificate, before.key);
    files = await open();
    const taken: string[] = [];
    files.onChange(({ cert }) => taken.push(cert));

    await writeFile(keyFile, after.key);
    await waitFor(() => problems.length === 1, { describe: 'the complaint' });
    expect(files.credentials.cert).toBe(before.certificate);
    expect(files.problem).toBe(`the key in ${keyFile} is not that of the certificate in ${certFile}`);
    const target = `${certFile}.new`;
    await writeFile(target, after.certificate);
    await symlink(target, `${certFile}.link`);
    await rename(`${certFile}.link`, certFile);
    await waitFor(() => taken.length === 1, { describe: 'the new certificate' });
    expect(taken).toEqual([after.certificate]);
    expect(files.problem).toBeUndefined();
    expect(problems).toHaveLength(1); // once, however often it was looked at
  });

  it('that vanish leave what was served', async () => {
    const { certificate, key } = issue();
    await written(certificate, key);
    files = await open();
    await unlink(certFile);
    await waitFor(() => problems.length === 1, { describe: 'the complaint' });
    expect(files.credentials.cert).toBe(certificate);
  });
});
