import { isIP } from 'node:net';
import { Egress } from '@sandlot/contracts';
import { z } from 'zod';

/** Whom a network policy means: addresses, or the pods with these labels in a namespace. */
export type Peer = { cidr: string } | { namespace: string; labels: Readonly<Record<string, string>> };

const list = (text: string): string[] => text.split(',').map((part) => part.trim()).filter(Boolean); // prettier-ignore
const listed = z.string().default('').transform(list);

const cidr = z.union([z.cidrv4(), z.cidrv6()]);
const cidrs = listed.pipe(z.array(cidr));

function peerOf(text: string): Peer | undefined {
  if (cidr.safeParse(text).success) return { cidr: text };
  const slash = text.indexOf('/');
  const namespace = slash < 0 ? text : text.slice(0, slash);
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace) || isIP(namespace)) return undefined;
  const labels = slash < 0 ? [] : text.slice(slash + 1).split('+');
  if (labels.some((label) => !/^[^=]+=[^=]*$/.test(label))) return undefined;
  return { namespace, labels: Object.fromEntries(labels.map((label) => label.split('=') as [string, string])) };
}

const peers = (fallback: string) =>
  z.string().default(fallback).transform((text, context): Peer[] =>
    list(text).flatMap((part) => {
      const peer = peerOf(part);
      if (peer) return [peer];
      context.addIssue({ code: 'custom', message: `${part} is neither <namespace>/<label>=<value>+… nor a CIDR` });
      return [];
    }),
  ); // prettier-ignore

const annotations = z.string().default('').transform((text, context) =>
  Object.fromEntries(
    list(text).flatMap((part) => {
      const at = part.indexOf('=');
      if (at > 0) return [[part.slice(0, at), part.slice(at + 1)]];
      context.addIssue({ code: 'custom', message: `${part} is not <annotation>=<value>` });
      return [];
    }),
  ) as Record<string, string>,
); // prettier-ignore

const written = '<namespace>/<label>=<value>+… or CIDRs, separated by commas';

/** What an operator decides about users' namespaces on Kubernetes. */
export const namespaceSettings = {
  SANDLOT_NAMESPACE_PREFIX: z
    .string()
    .max(20)
    .regex(/^[a-z]([a-z0-9-]*)?$/)
    .default('user-')
    .describe("what a user's namespace is called before the username; one that exists keeps its name"),
  SANDLOT_KUBERNETES_NAMESPACES: listed.describe(
    'the only namespaces to work in, made by an operator, separated by commas: no right beyond them is needed, and none is made or deleted',
  ),
  SANDLOT_KUBERNETES_REQUESTS_PER_SECOND: z.coerce
    .number()
    .positive()
    .max(10_000)
    .default(50)
    .describe('requests to the Kubernetes API in the long run, watches left out'),
  SANDLOT_KUBERNETES_BURST: z.coerce.number().int().positive().max(10_000).default(100).describe('requests to the Kubernetes API at once'),
  SANDLOT_POD_SECURITY: z
    .enum(['restricted', 'baseline'])
    .default('restricted')
    .describe("Pod Security level of users' namespaces; baseline lets SANDLOT_RELAXED_IMAGES run as root"),
  SANDLOT_PROXY_PEERS: peers('sandlot/app.kubernetes.io/component=proxy').describe(`who may reach sandboxes, the proxy: ${written}`),
  SANDLOT_EGRESS: Egress.default('internet').describe(
    "what leaves sandboxes: internet (public addresses and the cluster's DNS), none, gateway (only through SANDLOT_EGRESS_PEERS)",
  ),
  SANDLOT_EGRESS_PEERS: peers('sandlot/app.kubernetes.io/component=egress').describe(`the egress gateway: ${written}`),
  SANDLOT_EGRESS_DENY: cidrs.describe(
    'addresses that sandboxes never reach, besides all that are not public: CIDRs, separated by commas, like the API server of a managed cluster',
  ),
  SANDLOT_DNS_PEERS: peers('kube-system/k8s-app=kube-dns').describe(
    `the cluster's DNS; with a cache on each node, its address too: ${written}`,
  ),
  SANDLOT_SERVICE_ACCOUNT_ANNOTATIONS: annotations.describe(
    "annotations of sandboxes' service account, for workload identity: <annotation>=<value>, separated by commas",
  ),
};
export type NamespaceSettings = z.output<z.ZodObject<typeof namespaceSettings>>;
