#!/usr/bin/env bash
# What is there of what an installation takes:
#   scripts/check-prereqs.sh [--no-cluster] [--gke]
#
# Lists each with what to do about it. Fails when something is missing that every installation needs: kubectl, Helm and a cluster that it reaches.
# --no-cluster asks no cluster; --gke asks for gcloud and the settings of Google Cloud too.
set -euo pipefail
cluster=yes gke=
for option in "$@"; do
  case $option in
    --help | -h) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
    --no-cluster) cluster= ;;
    --gke) gke=yes ;;
    *) echo "$option is unknown; see --help" >&2 && exit 2 ;;
  esac
done

missing=0
good() { printf '  ok       %-10s %s\n' "$1" "$2"; }
lacks() { printf '  MISSING  %-10s %s\n' "$1" "$2" && missing=$((missing + 1)); }
mind() { printf '  mind     %-10s %s\n' "$1" "$2"; }
# whether a version is another or newer
reaches() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

if command -v kubectl >/dev/null; then good kubectl "$(command -v kubectl)"; else lacks kubectl 'install it: https://kubernetes.io/docs/tasks/tools'; fi
helm=${HELM:-helm}
if ! command -v "$helm" >/dev/null; then
  lacks helm 'install Helm 3.16 or 4: https://helm.sh/docs/intro/install'
else
  version=$("$helm" version --template '{{.Version}}' 2>/dev/null || true)
  if reaches "${version#v}" 3.16; then good helm "$version"; else lacks helm "$version is too old; 3.16 or 4 is needed"; fi
fi
for tool in 'docker builds images; not needed where they are in a registry' 'jq for scripts/scale.sh' 'openssl makes keys of your own'; do
  if command -v "${tool%% *}" >/dev/null; then good "${tool%% *}" "$(command -v "${tool%% *}")"; else mind "${tool%% *}" "not here: ${tool#* }"; fi
done
if [ -n "$gke" ]; then
  if command -v gcloud >/dev/null; then good gcloud "$(gcloud config get-value project 2>/dev/null)"; else lacks gcloud 'install it: https://cloud.google.com/sdk/docs/install'; fi
fi

# kubectl may do this?
may() { kubectl auth can-i "$@" >/dev/null 2>&1; }
ask_cluster() {
  local version storage
  if ! version=$(kubectl version -o json 2>/dev/null | sed -n '/serverVersion/,$s/.*"gitVersion": "v\([^"]*\)".*/\1/p') || [ -z "$version" ]; then
    lacks cluster "kubectl reaches none: check KUBECONFIG and 'kubectl config current-context'"
    return
  fi
  if reaches "$version" 1.30; then good cluster "Kubernetes $version"; else lacks cluster "Kubernetes $version is too old; 1.30 is needed"; fi
  if may create clusterroles && may create validatingadmissionpolicies; then good rights 'to install everything'; else
    mind rights 'not enough for ClusterRoles: install with sandboxes.namespaces, or rbac.create=false'
  fi
  storage=$(kubectl get storageclasses -o 'jsonpath={range .items[*]}{.metadata.name}={.metadata.annotations.storageclass\.kubernetes\.io/is-default-class}{"\n"}{end}' 2>/dev/null | sed -n 's/=true$//p')
  if [ -n "$storage" ]; then good storage "default class $storage"; else
    mind storage 'no default class: set nats.storage.storageClass, postgresql.storage.storageClass and sandboxes.defaults.storageClass'
  fi
  case $(kubectl get --raw /apis/agents.x-k8s.io 2>/dev/null || true) in
    *v1beta1*) good sandboxes 'agent-sandbox, agents.x-k8s.io/v1beta1' ;;
    *v1alpha1*) mind sandboxes 'agent-sandbox with v1alpha1 alone, which its 1.0 no longer has: plan its upgrade' ;;
    *) good sandboxes 'StatefulSets: this cluster does not serve agents.x-k8s.io' ;;
  esac
}
if [ -n "$cluster" ] && command -v kubectl >/dev/null; then ask_cluster; fi

[ "$missing" -eq 0 ] || { echo "$missing missing" >&2 && exit 1; }
