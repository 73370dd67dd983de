import { writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { ACCESS_STREAM, KEYS_BUCKET, ROUTES_BUCKET, routeKey, usernameRecordKey, userRecordKey } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { startService } from '@sandlot/service-kit';
import { certificateAuthority } from '@sandlot/testbed';
import { startTestNats, tempDir } from '@sandlot/testing';
import { SignJWT } from 'jose';
import { proxyService, PublicPort } from './proxy.module.js';
import { httpUpstream } from './testing/raw-peers.js';

describe('the proxy service with TLS and a shared secret', () => {
  it('serves over HTTP/2 who brings a token, and does not start with half of what TLS needs (S4-08, S4-09, S0-64)', async () => {
    const nats = await startTestNats();
    const connection = await connect({ servers: nats.url });
    await (await jetstreamManager(connection)).streams.add({ name: ACCESS_STREAM, subjects: ['access.>'] });
    const keys = await new Kvm(connection).create(KEYS_BUCKET, { allow_direct: true });
    const routes = await new Kvm(connection).create(ROUTES_BUCKET, { allow_direct: true });
    const sandbox = await httpUpstream((_, response) => response.end('hello'));
    const userId = newId('usr');
    await keys.put(usernameRecordKey('alice'), JSON.stringify({ userId }));
    await keys.put(userRecordKey(userId), JSON.stringify({ userId, username: 'alice', role: 'user', status: 'active' }));
    const ports = [{ port: 8888, address: sandbox.address }];
    const route = { sandboxId: newId('sbx'), owner: userId, username: 'alice', name: 's1', state: 'running', ports };
    await routes.put(routeKey('alice', 's1'), JSON.stringify(route));

    const authority = certificateAuthority('authority');
    const { certificate, key } = authority.issue({ commonName: 'sandlot', names: ['127.0.0.1'] });
    const folder = await tempDir();
    const [certFile, keyFile, secretFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key'), join(folder, 'secret')];
    const secret = 'a secret of at least 32 characters';
    await Promise.all([writeFile(certFile, certificate), writeFile(keyFile, key), writeFile(secretFile, `${secret}\n`)]);
    const settings = {
      SANDLOT_IDENTITY_KEY: 'k'.repeat(32),
      SANDLOT_NATS_URL: nats.url,
      SANDLOT_METRICS_PORT: '0',
      SANDLOT_LOG_LEVEL: 'silent',
      SANDLOT_PORT: '0',
      SANDLOT_HOST: '127.0.0.1',
      SANDLOT_RUNTIME: 'process',
      SANDLOT_JWT_SECRET_FILE: secretFile,
      SANDLOT_TLS_CERT_FILE: certFile,
    };
    await expect(startService(proxyService, settings)).rejects.toThrow('SANDLOT_TLS_KEY_FILE is required');
    const service = await startService(proxyService, { ...settings, SANDLOT_TLS_KEY_FILE: keyFile });
    const { port, scheme } = service.app.get(PublicPort, { strict: false });
    expect(scheme).toBe('https');

    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: authority.certificate });
    const signed = new SignJWT({ iss: 'sandlot', aud: 'sandlot', sub: 'alice' })
      .setProtectedHeader({ alg: 'HS256' })
      .setExpirationTime('5m');
    const token = await signed.sign(new TextEncoder().encode(secret));
    const status = await new Promise<number | undefined>((done, failed) => {
      const stream = session.request({ ':path': '/proxy/s1/', authorization: `Bearer ${token}` });
      stream.on('response', (headers) => done(headers[':status'])).on('error', failed);
      stream.resume();
    });
    expect(status).toBe(200);
    session.destroy();
    await service.close();
    await connection.close();
    await sandbox.close();
  });
});
