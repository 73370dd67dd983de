import { z } from 'zod';
import { namespaceSettings } from './namespace-settings.js';

const schema = z.object(namespaceSettings);

describe("the settings of users' namespaces", () => {
  it('are closed as long as nobody says otherwise: the proxy in, the internet and the DNS out', () => {
    expect(schema.parse({})).toMatchObject({
      SANDLOT_NAMESPACE_PREFIX: 'user-',
      SANDLOT_KUBERNETES_NAMESPACES: [],
      SANDLOT_POD_SECURITY: 'restricted',
      SANDLOT_EGRESS: 'internet',
      SANDLOT_EGRESS_DENY: [],
      SANDLOT_PROXY_PEERS: [{ namespace: 'sandlot', labels: { 'app.kubernetes.io/component': 'proxy' } }],
      SANDLOT_DNS_PEERS: [{ namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } }],
      SANDLOT_SERVICE_ACCOUNT_ANNOTATIONS: {},
    });
  });

  it('name pods by namespace and labels, and addresses by CIDR', () => {
    const peers = (text: string) => schema.parse({ SANDLOT_PROXY_PEERS: text }).SANDLOT_PROXY_PEERS;
    expect(peers('ns/app.kubernetes.io/name=proxy+tier=edge, 10.0.0.0/8 ,fd00::/8,other')).toEqual([
      { namespace: 'ns', labels: { 'app.kubernetes.io/name': 'proxy', tier: 'edge' } },
      { cidr: '10.0.0.0/8' },
      { cidr: 'fd00::/8' },
      { namespace: 'other', labels: {} },
    ]);
    expect(peers('')).toEqual([]);
  });

  it.each([
    ['SANDLOT_PROXY_PEERS', '10.0.0.0/99'],
    ['SANDLOT_PROXY_PEERS', 'Not A Namespace/x=y'],
    ['SANDLOT_EGRESS', 'everything'],
    ['SANDLOT_EGRESS_DENY', '10.0.0'],
    ['SANDLOT_NAMESPACE_PREFIX', '-user'],
    ['SANDLOT_SERVICE_ACCOUNT_ANNOTATIONS', 'nothing'],
  ])('refuse %s=%s', (name, value) => {
    expect(schema.safeParse({ [name]: value }).success).toBe(false);
  });

  it('S0-49 take the annotations of workload identity as they are', () => {
    const text =
      'iam.gke.io/gcp-service-account=sandboxes@acme.iam.gserviceaccount.com, eks.amazonaws.com/role-arn=arn:aws:iam::1:role/a=b';
    expect(schema.parse({ SANDLOT_SERVICE_ACCOUNT_ANNOTATIONS: text }).SANDLOT_SERVICE_ACCOUNT_ANNOTATIONS).toEqual({
      'iam.gke.io/gcp-service-account': 'sandboxes@acme.iam.gserviceaccount.com',
      'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/a=b',
    });
  });
});
