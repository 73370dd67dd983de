import { helm, chart, manifests, podTemplate, render, valuesFile, type Manifest } from './testing/chart.js';

/** How people get in: TLS at the public port, Ingress, Gateway API, hosts of previews. */
const accessUrl = 'https://sandlot.example.com:8443';
const previews = { domain: 'sandboxes.example.net' };
const specOf = (objects: Manifest[], kind: string, name = 'sandlot') =>
  objects.find((object) => object.kind === kind && object.metadata.name === name)?.['spec'];
const proxyOf = (objects: Manifest[]) =>
  podTemplate(objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'sandlot-proxy')!)!.spec;
const settingOf = (objects: Manifest[], name: string) => proxyOf(objects).containers[0]!.env!.find((one) => one.name === name)?.value;

describe('the public port of the Helm chart', () => {
  it('speaks TLS with the certificate of a Secret, and is tried with the same one (S0-59)', async () => {
    const objects = await manifests({ accessUrl, proxy: { tls: { secretName: 'mine' } }, service: { port: 443 } });
    expect(settingOf(objects, 'SANDLOT_TLS_CERT_FILE')).toBe('/keys/tls.crt');
    expect(settingOf(objects, 'SANDLOT_TLS_KEY_FILE')).toBe('/keys/tls.key');
    for (const key of ['tls.crt', 'tls.key'])
      expect(JSON.stringify(proxyOf(objects).volumes)).toContain(`{"secret":{"name":"mine","items":[{"key":"${key}","path":"${key}"}]}}`);
    expect(specOf(objects, 'Service')).toMatchObject({ ports: [{ name: 'https', port: 443, targetPort: 'http', appProtocol: 'https' }] });
    const [trial] = podTemplate(objects.find(({ kind, metadata }) => kind === 'Pod' && metadata.name === 'sandlot-test')!)!.spec.containers;
    expect(trial!.args!.slice(2)).toEqual(['https://sandlot:443', '/keys/admin.key', 'sandbox', 'certificate=/keys/tls.crt']);
  });

  it('has cert-manager make that Secret, for its own name and those of previews (S0-59)', async () => {
    const objects = await manifests({ accessUrl, previews, proxy: { tls: { certManagerIssuer: { name: 'letsencrypt' } } } });
    expect(specOf(objects, 'Certificate', 'sandlot-proxy-tls')).toMatchObject({
      secretName: 'sandlot-proxy-tls',
      dnsNames: ['sandlot.example.com', '*.sandboxes.example.net'],
      issuerRef: { name: 'letsencrypt', kind: 'ClusterIssuer', group: 'cert-manager.io' },
    });
    expect(JSON.stringify(proxyOf(objects).volumes)).toContain('"name":"sandlot-proxy-tls"');
  });

  it('signs users in by certificates of an authority in a Secret (S0-65)', async () => {
    const tls = { secretName: 'mine', clientCaSecret: 'clients', clientUser: 'email={username}@example.com' };
    const objects = await manifests({ accessUrl, proxy: { tls } });
    expect(settingOf(objects, 'SANDLOT_TLS_CLIENT_USER')).toBe('email={username}@example.com');
    expect(JSON.stringify(proxyOf(objects).volumes)).toContain('{"key":"ca.crt","path":"clients.crt"}');
  });

  it('accepts tokens of issuers, whose keys it may then fetch, and of a secret (S0-64)', async () => {
    const issuer = { name: 'corp', issuer: 'https://login.example.com/', jwksUrl: 'https://login.example.com/jwks', audience: 'sandlot', userClaim: 'sub' }; // prettier-ignore
    const objects = await manifests({ proxy: { jwt: { issuers: [issuer], existingSecret: 'jwt' } } });
    expect(JSON.parse(settingOf(objects, 'SANDLOT_JWT_ISSUERS')!)).toEqual([issuer]);
    expect(JSON.stringify(proxyOf(objects).volumes)).toContain('{"key":"jwt.secret","path":"jwt.secret"}');
    const leaves = (all: Manifest[]) => JSON.stringify((specOf(all, 'NetworkPolicy', 'sandlot-proxy') as { egress: object[] }).egress);
    expect(leaves(objects)).toContain('{"ports":[{"port":443}]}');
    expect(leaves(await manifests())).not.toContain('443');
  });

  it('leads an Ingress to a port that speaks TLS by its name, and gives the wildcard a certificate of its own (S2-39)', async () => {
    const ingress = { enabled: true, host: 'sandlot.example.com', tls: { enabled: true, previewSecretName: 'wildcard' } };
    const objects = await manifests({ accessUrl, previews, ingress, proxy: { tls: { secretName: 'mine' } } });
    expect(specOf(objects, 'Ingress')).toMatchObject({
      tls: [
        { secretName: 'sandlot-tls', hosts: ['sandlot.example.com'] },
        { secretName: 'wildcard', hosts: ['*.sandboxes.example.net'] },
      ],
      rules: ['sandlot.example.com', '*.sandboxes.example.net'].map((host) => ({
        host,
        http: { paths: [{ backend: { service: { name: 'sandlot', port: { name: 'https' } } } }] },
      })),
    });
  });

  it('is behind Gateways of others for its hosts and the wildcard, or behind one of its own that ends TLS (S2-39, S0-59)', async () => {
    const parentRefs = [{ name: 'public', namespace: 'gateways' }];
    const hostnames = ['sandlot.example.com'];
    const all = [...hostnames, '*.sandboxes.example.net'];
    const theirs = await manifests({ previews, httpRoute: { enabled: true, parentRefs, hostnames } });
    expect(specOf(theirs, 'HTTPRoute')).toMatchObject({ parentRefs, hostnames: all });
    expect(specOf(theirs, 'Gateway')).toBeUndefined();

    const tls = { secretName: 'main', previewSecretName: 'wildcard' };
    const own = await manifests({ previews, httpRoute: { enabled: true, hostnames, gateway: { create: true, className: 'gke-l7', tls } } });
    expect(specOf(own, 'HTTPRoute')).toMatchObject({ parentRefs: [{ name: 'sandlot' }], hostnames: all });
    expect(specOf(own, 'Gateway')).toMatchObject({
      gatewayClassName: 'gke-l7',
      listeners: [
        { hostname: all[0], protocol: 'HTTPS', port: 443, tls: { certificateRefs: [{ name: 'main' }] } },
        { hostname: all[1], protocol: 'HTTPS', port: 443, tls: { certificateRefs: [{ name: 'wildcard' }] } },
      ],
    });
  });

  it('gives proxy and gateway the same key for links to previews', async () => {
    const objects = await manifests({ previews: { ...previews, existingSecret: 'links' } });
    for (const service of ['proxy', 'gateway']) {
      const { spec } = podTemplate(objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === `sandlot-${service}`)!)!;
      expect(spec.containers[0]!.env).toContainEqual({ name: 'SANDLOT_PREVIEW_KEY_FILE', value: '/keys/preview.key' });
      expect(JSON.stringify(spec.volumes)).toContain('{"name":"links","items":[{"key":"preview.key","path":"preview.key"}]}');
    }
  });

  it.each([
    ['TLS without the name in the certificate', { proxy: { tls: { secretName: 'mine' } } }, 'accessUrl must be its https:// address'],
    ['client certificates without TLS', { proxy: { tls: { clientCaSecret: 'c' } } }, 'proxy.tls.clientCaSecret needs proxy.tls.secretName'],
    ['a route that leads nowhere', { httpRoute: { enabled: true } }, 'httpRoute.enabled needs httpRoute.parentRefs, or'],
    ['a Gateway of no class', { httpRoute: { enabled: true, gateway: { create: true } } }, 'needs httpRoute.gateway.className'],
    ['a Gateway without a route', { httpRoute: { gateway: { create: true, className: 'a' } } }, 'httpRoute.enabled is false'],
    ['a key for previews that there are none of', { previews: { existingSecret: 'links' } }, 'previews.domain is empty'],
    ['TLS to a NATS that speaks none', { nats: { tlsSecret: 'ca' } }, 'nats.tlsSecret is for a NATS of yours'],
    ['a certificate for NATS out of nowhere', { nats: { tlsClientCertificate: true } }, 'needs nats.tlsSecret'],
  ])('refuses %s, and says what to set', async (_, values, message) => {
    await expect(render(values)).rejects.toThrow(message);
  });

  it('says in NOTES how to reach a port that speaks TLS without weakening it', async () => {
    const values = await valuesFile({ accessUrl, proxy: { tls: { secretName: 'mine' } } });
    const notes = await helm(['install', 'sandlot', chart, '--namespace', 'sandlot', '--dry-run=client', '-f', values]);
    expect(notes).toContain(`--connect-to ::127.0.0.1:8080 ${accessUrl}/api/v1/sandboxes`);
    expect(notes).not.toContain('No TLS');
  });

  it('resolves names where the cluster’s DNS listens on another port', async () => {
    const objects = await manifests({ networkPolicy: { dnsPorts: [5353] } });
    expect(specOf(objects, 'NetworkPolicy', 'sandlot-default')).toMatchObject({
      egress: [{ ports: ['UDP', 'TCP'].map((protocol) => ({ protocol, port: 5353 })), to: [{ namespaceSelector: {} }] }],
    });
  });

  it('mounts volumes of one’s own for settings that have no value of their own', async () => {
    const volume = { name: 'creds', secret: { secretName: 'creds' } };
    const mount = { name: 'creds', mountPath: '/creds', readOnly: true };
    const env = { name: 'SANDLOT_NATS_CREDS_FILE', value: '/creds/user.creds' };
    const spec = proxyOf(await manifests({ proxy: { extraVolumes: [volume], extraVolumeMounts: [mount], extraEnv: [env] } }));
    expect(spec.volumes).toContainEqual(volume);
    expect(spec.containers[0]!.volumeMounts).toContainEqual(mount);
    expect(spec.containers[0]!.env).toContainEqual(env);
  });
});
