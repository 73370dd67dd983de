import { join } from 'node:path';
import type { Bridge } from './bridge.js';

/**
 * The node's first process: $1 is its folder, $2 containerd, $3 kube, $4 the node's name, $5 its address. The snapshotter is overlayfs where it can be had
 * (in a container it often cannot), else native, which copies each image for each container.
 */
export const INIT = `
  set -e
  for folder in /run /var/lib /var/log /opt; do mount -t tmpfs tmpfs "$folder"; done
  mkdir -p "$1/try/lower" "$1/try/upper" "$1/try/work" "$1/try/merged"
  snapshotter=native
  if mount -t overlay overlay -o "lowerdir=$1/try/lower,upperdir=$1/try/upper,workdir=$1/try/work" "$1/try/merged" 2>/dev/null; then
    umount "$1/try/merged"
    snapshotter=overlayfs
  fi
  rm -rf "$1/try"
  echo $snapshotter > "$1/snapshotter"
  sed -i "s/@snapshotter@/$snapshotter/" "$1/containerd.toml"
  "$2" --config "$1/containerd.toml" > "$1/containerd.log" 2>&1 &
  until [ -S "$1/containerd.sock" ]; do sleep 0.05; done
  "$3" kubelet --config "$1/kubelet.json" --kubeconfig "$1/kubelet.kubeconfig" --hostname-override "$4" --node-ip "$5" \\
    --root-dir "$1/kubelet" --cert-dir "$1/kubelet-pki" > "$1/kubelet.log" 2>&1 &
  wait
`;

export function containerdConfig(dir: string, { pauseImage, cniFolder }: { pauseImage: string; cniFolder: string }): string {
  return `version = 3
root = "${dir}/containerd/root"
state = "${dir}/containerd/state"
[grpc]
  address = "${dir}/containerd.sock"
[ttrpc]
  address = "${dir}/containerd.sock.ttrpc"
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "@snapshotter@"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "${pauseImage}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["${cniFolder}"]
    conf_dir = "${dir}/cni"
`;
}

export function networkConfig(dir: string, { name, subnet }: Bridge): object {
  const ipam = { type: 'host-local', dataDir: join(dir, 'addresses'), ranges: [[{ subnet }]], routes: [{ dst: '0.0.0.0/0' }] };
  return { cniVersion: '1.0.0', name, plugins: [{ type: 'bridge', bridge: name, isGateway: true, hairpinMode: true, ipam }] };
}

export function kubeletConfig(dir: string, { cgroup, address, dns }: { cgroup: string; address: string; dns: string }): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    // An address of the node's own, so that its port needs no looking for.
    address,
    healthzPort: 0,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: false }, x509: { clientCAFile: join(dir, 'authority.crt') } },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: cgroup,
    failCgroupV1: false,
    failSwapOn: false,
    containerRuntimeEndpoint: `unix://${dir}/containerd.sock`,
    clusterDNS: [dns],
    clusterDomain: 'cluster.local',
    enforceNodeAllocatable: [],
    evictionHard: {},
    imageGCHighThresholdPercent: 100,
    localStorageCapacityIsolation: false,
    makeIPTablesUtilChains: false,
    podLogsDir: join(dir, 'logs'),
    resolvConf: '',
    volumePluginDir: join(dir, 'volume-plugins'),
  };
}
