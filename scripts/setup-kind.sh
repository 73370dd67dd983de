#!/usr/bin/env bash
# A cluster of kind on this machine with Sandlot's images in it, ready for deploy-all.sh:
#   scripts/setup-kind.sh [--name sandlot] [--no-images] [--delete]
#
# Leaves a cluster of that name as it is. --no-images loads none; --delete removes the cluster with everything in it. Without Docker, `make
# cluster` is a Kubernetes as well.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
name=sandlot images=yes delete=
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "scripts/setup-kind.sh" && exit ;;
    --name) name=$2 && shift ;;
    --no-images) images= ;;
    --delete) delete=yes ;;
    *) echo "$1 is unknown; see --help" >&2 && exit 2 ;;
  esac
  shift
done
for tool in kind docker; do command -v $tool >/dev/null || fail "there is no $tool; install it: https://kind.sigs.k8s.io/docs/user/quick-start"; done

if [ -n "$delete" ]; then
  kind delete cluster --name "$name"
  exit
fi
if kind get clusters 2>/dev/null | grep -qx "$name"; then echo "the cluster $name is there already"; else kind create cluster --name "$name" --wait 120s; fi
if [ -n "$images" ]; then
  make docker-build
  make kind-load KIND_CLUSTER="$name"
fi
echo "next: scripts/deploy-all.sh, or docs/how-to/install-with-helm.md"
