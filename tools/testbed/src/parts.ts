import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Something that is built at once from Go modules: its programs have one version and one place in the cache. */
export interface Part {
  name: string;
  version: string;
  programs: readonly string[];
  /** How long it takes on 2 cores with nothing in Go's caches, for whoever waits. */
  takes: string;
  recipe: Recipe;
}

export type Recipe =
  | {
      kind: 'program';
      /** Folder under `go/` with a main.go. */
      source: string;
      module?: string;
      /** The module's own `replace` lines for these lead into its repository; as a dependency it needs them by version. */
      staging?: string;
      linkerFlags?: string;
    }
  | { kind: 'install'; packages: readonly string[]; /** Of go's build constraints. */ tags?: string; linkerFlags?: string }
  | {
      /** A module's own program, built without asking which other versions there are. */
      kind: 'package';
      module: string;
      program: string;
      /** What else of the module goes beside the program. */
      files: readonly string[];
    };

const KUBERNETES = '1.36.3';
const [major, minor] = KUBERNETES.split('.');
const versionPackage = 'k8s.io/component-base/version';

const kubernetes: Part = {
  name: 'kubernetes',
  version: KUBERNETES,
  programs: ['kube'],
  takes: 'about 7 minutes',
  recipe: {
    kind: 'program',
    source: 'kube',
    module: 'k8s.io/kubernetes',
    staging: `v0.${minor}.${KUBERNETES.split('.')[2]}`,
    linkerFlags: `-X ${versionPackage}.gitVersion=v${KUBERNETES} -X ${versionPackage}.gitMajor=${major} -X ${versionPackage}.gitMinor=${minor}`,
  },
};

const etcd: Part = {
  name: 'etcd',
  version: '3.7.3',
  programs: ['etcd'],
  takes: 'about 1 minute',
  recipe: { kind: 'program', source: 'etcd', module: 'go.etcd.io/etcd/server/v3' },
};

const containerd: Part = {
  name: 'containerd',
  version: '2.4.2',
  programs: ['containerd', 'containerd-shim-runc-v2', 'ctr'],
  takes: 'about 2 minutes',
  recipe: {
    kind: 'install',
    packages: ['containerd', 'containerd-shim-runc-v2', 'ctr'].map((program) => `github.com/containerd/containerd/v2/cmd/${program}`),
  },
};

const cni: Part = {
  name: 'cni-plugins',
  version: '1.9.1',
  programs: ['bridge', 'loopback', 'host-local'],
  takes: 'seconds',
  recipe: {
    kind: 'install',
    packages: ['main/bridge', 'main/loopback', 'ipam/host-local'].map(
      (plugin) => `github.com/containernetworking/plugins/plugins/${plugin}`,
    ),
  },
};

const pause: Part = { name: 'pause', version: '1', programs: ['pause'], takes: 'seconds', recipe: { kind: 'program', source: 'pause' } };

/** What enforces NetworkPolicies on a node; kubelet and bridge leave that to others. */
export const networkPolicies: Part = {
  name: 'networkpolicies',
  version: '0.8.0',
  programs: ['networkpolicies'],
  takes: 'about 2 minutes',
  recipe: { kind: 'program', source: 'networkpolicies', module: 'sigs.k8s.io/kube-network-policies' },
};

/** The controller of `Sandbox` objects, with their definition. */
export const agentSandbox: Part = {
  name: 'agent-sandbox',
  version: '0.5.6',
  programs: ['agent-sandbox-controller'],
  takes: 'about 2 minutes',
  recipe: {
    kind: 'package',
    module: 'sigs.k8s.io/agent-sandbox',
    program: 'cmd/agent-sandbox-controller',
    files: ['k8s/crds/agents.x-k8s.io_sandboxes.yaml'],
  },
};

/** Not of the cluster: what operators install charts with. */
export const helm: Part = {
  name: 'helm',
  version: '4.3.1',
  programs: ['helm'],
  takes: 'about 4 minutes',
  recipe: { kind: 'install', packages: ['helm.sh/helm/v4/cmd/helm'] },
};

/** The same for those who have not changed to 4. It has to be told, as its releases are, which Kubernetes it renders for where none is asked. */
export const helm3: Part = {
  name: 'helm',
  version: '3.22.0',
  programs: ['helm'],
  takes: 'about 2 minutes',
  recipe: {
    kind: 'install',
    packages: ['helm.sh/helm/v3/cmd/helm'],
    linkerFlags: ['pkg/chartutil', 'pkg/lint/rules']
      .map((path) => `-X helm.sh/helm/v3/${path}.k8sVersionMajor=${major} -X helm.sh/helm/v3/${path}.k8sVersionMinor=${minor}`)
      .join(' '),
  },
};

/** Not of the cluster either. Without the ways to find targets in clouds, which are most of it: files say where they are. */
export const prometheus: Part = {
  name: 'prometheus',
  version: '0.316.0', // of the module; that of the program is 3.16.0
  programs: ['prometheus', 'promtool'],
  takes: 'about 4 minutes',
  recipe: {
    kind: 'install',
    packages: ['prometheus', 'promtool'].map((program) => `github.com/prometheus/prometheus/cmd/${program}`),
    tags: 'remove_all_sd',
  },
};

export const controlPlaneParts = [kubernetes, etcd] as const;
export const nodeParts = [containerd, cni, pause] as const;

export const goSources = join(import.meta.dirname, '..', 'go');

/** Its folder in the cache. A change of the recipe or of our source makes it another one. */
export function folderOf({ name, version, recipe }: Part): string {
  const source = recipe.kind === 'program' ? readFileSync(join(goSources, recipe.source, 'main.go')) : '';
  const digest = createHash('sha256').update(JSON.stringify(recipe)).update(source).digest('hex').slice(0, 8);
  return `${name}-${version}-${process.platform}-${process.arch}-${digest}`;
}
