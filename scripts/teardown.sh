#!/usr/bin/env bash
# Removes an installation by Helm. Shows first what would go, and asks:
#   scripts/teardown.sh [--namespace sandlot] [--release sandlot] [--users] [--data] [--all] [--dry-run] [--yes]
#
# By itself it uninstalls the release and keeps everything that an installation of the same name goes on with: the volumes of NATS and PostgreSQL, the
# Secrets of keys, users' namespaces with their sandboxes and files.
#   --users    removes users' namespaces too: all that this cluster has with the mark of Sandlot, also of another installation
#   --data     removes the volumes and Secrets too: the log and the keys that it can be read with, for good
#   --all      both, and the namespace itself
#   --dry-run  only shows
#   --yes      does not ask
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
helm=${HELM:-helm}
namespace=sandlot release=sandlot users='' data='' all='' dry='' yes=''
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' scripts/teardown.sh && exit ;;
    --namespace) namespace=$2 && shift ;;
    --release) release=$2 && shift ;;
    --users) users=yes ;;
    --data) data=yes ;;
    --all) users=yes data=yes all=yes ;;
    --dry-run) dry=yes ;;
    --yes) yes=yes ;;
    *) echo "$1 is unknown; see --help" >&2 && exit 2 ;;
  esac
  shift
done
for tool in kubectl "$helm"; do command -v "$tool" >/dev/null || fail "there is no $tool; see scripts/check-prereqs.sh"; done

kubectl get namespaces >/dev/null || fail 'the cluster does not answer, so it is not known what there is'
installed=$("$helm" status "$release" --namespace "$namespace" -o json 2>/dev/null || true)
# Of this release; what it makes has names that begin with one word, which the Secrets say.
of_release="app.kubernetes.io/instance=$release,app.kubernetes.io/part-of=sandlot"
of_users=app.kubernetes.io/managed-by=sandlot
of_keys=app.kubernetes.io/managed-by=sandlot-setup

list() { kubectl get "$@" -o name --ignore-not-found; }
show() { [ -z "$2" ] || printf '%s\n' "$1" "${2//$'\n'/$'\n'  }" | sed '2,$s/^ */  /'; }
[ -z "$installed" ] || echo "Helm's release $release in $namespace, with everything that it has made"
[ -z "$users" ] || show "users' namespaces, with all sandboxes and files:" "$(list namespaces -l "$of_users")"
if [ -n "$data" ]; then
  show 'volumes:' "$(list pvc -n "$namespace" -l "app.kubernetes.io/instance=$release")"
  show 'keys, and the record of migrations:' "$(list secrets,configmaps -n "$namespace" -l "$of_keys")"
fi
[ -z "$all" ] || show 'the namespace:' "$(list namespaces "$namespace")"
[ -z "$dry" ] || exit 0

if [ -z "$yes" ]; then
  read -rp "Remove this from $(kubectl config current-context)? [y/N] " answer || answer=n
  [ "$answer" = y ] || fail 'Nothing was removed.'
fi
# First what would make again what goes after it.
[ -z "$installed" ] || "$helm" uninstall "$release" --namespace "$namespace" --wait
kubectl delete jobs -n "$namespace" -l "$of_release" --ignore-not-found >/dev/null
if [ -n "$users" ]; then kubectl delete namespaces -l "$of_users" --wait --timeout 300s; fi
if [ -n "$data" ]; then
  kubectl delete pvc -n "$namespace" -l "app.kubernetes.io/instance=$release"
  kubectl delete secrets,configmaps -n "$namespace" -l "$of_keys"
fi
if [ -n "$all" ]; then kubectl delete namespace "$namespace" --ignore-not-found --wait --timeout 300s; fi
