import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { certificateAuthority } from './certificates.js';

describe('the certificate authority', () => {
  const authority = certificateAuthority('testbed');

  it('issues certificates that say who they are for, and that it signed', () => {
    const issued = new X509Certificate(
      authority.issue({ commonName: 'admin', organization: 'system:masters', names: ['a.b', '127.0.0.1'] }).certificate,
    );
    expect(issued.subject).toBe('O=system:masters\nCN=admin');
    expect(issued.subjectAltName).toBe('DNS:a.b, IP Address:127.0.0.1');
    expect(issued.ca).toBe(false);
    const own = new X509Certificate(authority.certificate);
    expect(own.ca).toBe(true);
    expect(issued.checkIssued(own) && issued.verify(own.publicKey)).toBe(true);
  });

  it('makes both ends of a TLS connection trust each other', async () => {
    const server = authority.issue({ commonName: 'server', names: ['localhost', '127.0.0.1'] });
    const client = authority.issue({ commonName: 'client' });
    const listener = createServer({ key: server.key, cert: server.certificate, ca: authority.certificate, requestCert: true }).listen(
      0,
      '127.0.0.1',
    );
    await once(listener, 'listening');
    const { port } = listener.address() as { port: number };
    const socket = connect({ port, host: '127.0.0.1', ca: authority.certificate, key: client.key, cert: client.certificate });
    const [[accepted]] = (await Promise.all([once(listener, 'secureConnection'), once(socket, 'secureConnect')])) as [[TLSSocket], unknown];
    expect(accepted.getPeerCertificate().subject.CN).toBe('client');
    expect(socket.authorized).toBe(true);
    socket.destroy();
    listener.close();
  });
});
