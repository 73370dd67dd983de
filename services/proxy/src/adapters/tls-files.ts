import { metrics, type ObservableGauge, type ObservableResult } from '@opentelemetry/api';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Credentials } from '../public-server.js';

export interface TlsFilesOptions {
  certFile: string;
  keyFile: string;
  /** Of the authority that signs clients' certificates. */
  clientCaFile?: string;
  /** Milliseconds between looks at the files. Default 5000. */
  everyMs?: number;
  /** Told once of each content that cannot be used. */
  onProblem?: (problem: unknown) => void;
  onReload?: (expires: Date) => void;
}

/**
 * Certificate and key in files that somebody renews. The files are read again every few seconds, rather than watched: they may be links
 * that are swapped, as Kubernetes does it, or lie on a network. What does not fit together, as in the middle of a renewal, is
 * left alone until it does.
 */
export class TlsFiles {
  private readonly listeners = new Set<(credentials: Credentials) => void>();
  private readonly expiry: ObservableGauge;
  private readonly timer: NodeJS.Timeout;
  private refused = '';
  /** Why what the files hold now cannot be served; that from before goes on being served. */
  problem: string | undefined;

  private constructor(
    private readonly options: TlsFilesOptions,
    public credentials: Credentials,
  ) {
    this.expiry = metrics.getMeter('@sandlot/proxy').createObservableGauge('sandlot_certificate_expiry_timestamp_seconds', {
      description: 'When the certificate that is being served expires, since 1970',
    });
    this.expiry.addCallback(this.observe);
    this.timer = setInterval(() => void this.look(), options.everyMs ?? 5000).unref();
  }

  /** @throws Error that says which file is wrong, and how */
  static async open(options: TlsFilesOptions): Promise<TlsFiles> {
    const credentials = await readFiles(options);
    check(credentials, options);
    return new TlsFiles(options, credentials);
  }

  get expires(): Date {
    return new X509Certificate(this.credentials.cert).validToDate;
  }

  onChange(listener: (credentials: Credentials) => void): void {
    this.listeners.add(listener);
  }

  close(): void {
    clearInterval(this.timer);
    this.expiry.removeCallback(this.observe);
  }

  private readonly observe = (result: ObservableResult): void => {
    result.observe(this.expires.getTime() / 1000);
  };

  private async look(): Promise<void> {
    let read = '';
    try {
      const found = await readFiles(this.options);
      read = JSON.stringify(found);
      if (read === JSON.stringify(this.credentials)) return this.accepted();
      check(found, this.options);
      this.credentials = found;
      this.accepted();
      for (const listener of this.listeners) listener(found);
      this.options.onReload?.(this.expires);
    } catch (problem) {
      const refused = read || String(problem);
      if (refused !== this.refused) this.options.onProblem?.(problem);
      this.refused = refused;
      this.problem = problem instanceof Error ? problem.message : String(problem);
    }
  }

  private accepted(): void {
    this.refused = '';
    this.problem = undefined;
  }
}

async function readFiles({ certFile, keyFile, clientCaFile }: TlsFilesOptions): Promise<Credentials> {
  const [cert, key, ca] = await Promise.all([read(certFile), read(keyFile), clientCaFile === undefined ? undefined : read(clientCaFile)]);
  return { cert, key, ...(ca !== undefined && { ca }) };
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new Error(`cannot read ${file} (${(cause as NodeJS.ErrnoException).code})`, { cause });
  }
}

/** What is wrong is said without what stands in the files. */
function check({ cert, key, ca }: Credentials, { certFile, keyFile, clientCaFile }: TlsFilesOptions): void {
  const certificate = parsed(certFile, 'a certificate in PEM', () => new X509Certificate(cert));
  const privateKey = parsed(keyFile, 'an unencrypted private key in PEM', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) throw new Error(`the key in ${keyFile} is not that of the certificate in ${certFile}`);
  if (clientCaFile !== undefined) parsed(clientCaFile, 'certificates of an authority in PEM', () => new X509Certificate(ca as string));
  parsed(certFile, 'a certificate that TLS can serve', () => createSecureContext({ cert, key, ca }));
}

function parsed<Value>(file: string, what: string, parse: () => Value): Value {
  try {
    return parse();
  } catch {
    throw new Error(`${file} does not hold ${what}`);
  }
}
