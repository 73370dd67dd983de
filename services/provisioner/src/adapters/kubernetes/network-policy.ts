import type { Egress } from '@sandlot/contracts';
import type { Peer } from '../../namespace-settings.js';
import type { KubernetesObject } from './cluster.js';

export interface NetworkPeers {
  /** Who may reach sandboxes. */
  proxy: readonly Peer[];
  dns: readonly Peer[];
  gateway: readonly Peer[];
  /** Never reached, besides all that is not public. */
  deny: readonly string[];
}

/** What is not the public internet, by IANA's registries of special-purpose addresses. 169.254.0.0/16 holds the clouds' metadata servers. */
const notPublic4 = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24',
  '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
]; // prettier-ignore
/** Within 2000::/3, which leaves out unique local (fd00:ec2::254 is a metadata server), link-local, mapped and NAT64 addresses by itself. 6to4 and Teredo carry any IPv4 address within them. */
const notPublic6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

type Meta = Pick<KubernetesObject['metadata'], 'namespace' | 'labels'>;

/**
 * Nothing in, nothing out, for every pod of the namespace; besides it the few allowances. Policies only ever add up, so one that somebody
 * adds next to these is theirs; these themselves are kept as they are.
 */
export function networkPolicies(meta: Meta, egress: Egress, peers: NetworkPeers): KubernetesObject[] {
  const policy = (name: string, spec: object): KubernetesObject => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { ...meta, name },
    spec: { podSelector: {}, ...spec },
  });
  return [
    policy('sandlot-default-deny', { policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [] }),
    policy('sandlot-ingress', { policyTypes: ['Ingress'], ingress: allow('from', peers.proxy), egress: [] }),
    policy('sandlot-egress', { policyTypes: ['Egress'], ingress: [], egress: egressRules(egress, peers) }),
  ];
}

function egressRules(egress: Egress, peers: NetworkPeers): object[] {
  switch (egress) {
    case 'none':
      return [];
    case 'gateway':
      return allow('to', peers.gateway);
    case 'internet': {
      const ports = [
        { protocol: 'UDP', port: 53 },
        { protocol: 'TCP', port: 53 },
      ];
      const denied = (v6: boolean) => peers.deny.filter((cidr) => cidr.includes(':') === v6);
      return [
        ...allow('to', peers.dns).map((rule) => ({ ...rule, ports })),
        {
          to: [
            { ipBlock: { cidr: '0.0.0.0/0', except: [...notPublic4, ...denied(false)] } },
            { ipBlock: { cidr: '2000::/3', except: [...notPublic6, ...denied(true)] } },
          ],
        },
      ];
    }
  }
}

/** Nobody named means nobody: an empty `from` would let everybody in. */
function allow(direction: 'from' | 'to', peers: readonly Peer[]): object[] {
  return peers.length === 0 ? [] : [{ [direction]: peers.map(peerOf) }];
}

function peerOf(peer: Peer): object {
  if ('cidr' in peer) return { ipBlock: { cidr: peer.cidr } };
  return {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': peer.namespace } },
    podSelector: Object.keys(peer.labels).length > 0 ? { matchLabels: peer.labels } : {},
  };
}
