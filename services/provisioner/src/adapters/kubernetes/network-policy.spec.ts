import { BlockList } from 'node:net';
import { networkPolicies, type NetworkPeers } from './network-policy.js';

const peers: NetworkPeers = {
  proxy: [{ namespace: 'sandlot', labels: { app: 'proxy' } }, { cidr: '10.0.0.9/32' }],
  dns: [{ namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } }],
  gateway: [{ namespace: 'sandlot', labels: {} }],
  deny: ['34.1.2.3/32', '2600:1900::/28'],
};
interface Spec {
  podSelector: object;
  policyTypes: string[];
  ingress: unknown[];
  egress: { to: { ipBlock?: { cidr: string; except: string[] } }[]; ports?: { port: number; protocol: string }[] }[];
}
const specs = (...[egress, changes = {}]: [Parameters<typeof networkPolicies>[1], Partial<NetworkPeers>?]) =>
  Object.fromEntries(
    networkPolicies({ namespace: 'n' }, egress, { ...peers, ...changes }).map(({ metadata, spec }) => [metadata.name, spec as Spec]),
  );

/** What the rules for the internet let through, as the cluster reads them. */
function letsOut(address: string): boolean {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  return specs('internet')['sandlot-egress']!.egress.some(({ to, ports }) =>
    to.some(({ ipBlock }) => {
      if (!ipBlock || ports) return false;
      const list = (cidrs: string[]) => {
        const block = new BlockList();
        for (const cidr of cidrs) block.addSubnet(cidr.split('/')[0]!, Number(cidr.split('/')[1]), cidr.includes(':') ? 'ipv6' : 'ipv4');
        return block;
      };
      return list([ipBlock.cidr]).check(address, family) && !list(ipBlock.except).check(address, family);
    }),
  );
}

describe('S0-08 S2-06 S2-09 the network policies of a namespace', () => {
  it('are for every pod in it, and deny both ways', () => {
    const all = specs('internet');
    for (const { podSelector } of Object.values(all)) expect(podSelector).toEqual({});
    expect(all['sandlot-default-deny']).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [] });
  });

  it('S1-26 let in the proxy alone, and nobody where none is named', () => {
    expect(specs('none')['sandlot-ingress']!.ingress).toEqual([
      {
        from: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'sandlot' } },
            podSelector: { matchLabels: { app: 'proxy' } },
          },
          { ipBlock: { cidr: '10.0.0.9/32' } },
        ],
      },
    ]);
    expect(specs('none', { proxy: [] })['sandlot-ingress']!.ingress).toEqual([]);
  });

  it('let out nothing, or only to the gateway, not even to the DNS', () => {
    expect(specs('none')['sandlot-egress']!.egress).toEqual([]);
    expect(specs('gateway')['sandlot-egress']!.egress).toEqual([
      { to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'sandlot' } }, podSelector: {} }] },
    ]);
    expect(specs('gateway', { gateway: [] })['sandlot-egress']!.egress).toEqual([]);
  });

  it('let out to the DNS of the cluster on its port', () => {
    const [dns] = specs('internet')['sandlot-egress']!.egress;
    expect(dns!.ports).toEqual([
      { protocol: 'UDP', port: 53 },
      { protocol: 'TCP', port: 53 },
    ]);
  });

  it.each(['1.1.1.1', '8.8.8.8', '140.82.112.3', '2606:4700:4700::1111', '2a00:1450:4001:831::200e'])('let out to %s', (address) => {
    expect(letsOut(address)).toBe(true);
  });

  it.each([
    '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '100.127.255.254', '127.0.0.1', '169.254.169.254', '169.254.170.2',
    '0.0.0.0', '192.0.0.192', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '255.255.255.255', '34.1.2.3',
    '::1', '::', 'fe80::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '::ffff:10.0.0.1', '64:ff9b::a00:1', '2002:a00:1::', '2001::1', '2001:db8::1', '2600:1900::1',
  ])('never let out to %s', (address) => {
    expect(letsOut(address)).toBe(false);
  }); // prettier-ignore
});
