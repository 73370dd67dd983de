#!/usr/bin/env bash
# Renders the chart into deploy/kustomize/base, which the overlays dev, staging and prod build on:
#   scripts/render-kustomize.sh [--namespace sandlot] [--into deploy/kustomize/base] [--check] [helm's own options, such as -f or --set]
#
# base/evaluation has the chart's own values, base/production those of values-production.yaml and base/production/values.yaml; helm's options come
# after both. --check changes nothing and fails when what is there is not what would be rendered. Set the image here (--set image.tag=…) and not
# with kustomize's `images`: the migration's Job is named after what it runs. HELM names another helm than the one on PATH.
set -euo pipefail
caller=$PWD
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

helm=${HELM:-helm}
namespace=sandlot
into=deploy/kustomize/base
check=
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
    --namespace) namespace=$2 && shift 2 ;;
    --into) into=$(cd "$caller" && realpath -m -- "$2") && shift 2 ;;
    --check) check=yes && shift ;;
    -f | --values) options+=(-f "$(cd "$caller" && realpath -- "$2")") && shift 2 ;;
    *) options+=("$1") && shift ;;
  esac
done
command -v "$helm" >/dev/null || fail "there is no $helm; install Helm 3.16 or 4, or name one in HELM"

render() {
  local base=$1 file made
  shift
  made=$("$helm" template sandlot deploy/helm/sandlot --namespace "$namespace" --no-hooks "$@" "${options[@]}")
  file=$into/$base/sandlot.yaml
  made="# Made by scripts/render-kustomize.sh from deploy/helm/sandlot; change that, or an overlay.
apiVersion: v1
kind: Namespace
metadata:
  name: $namespace
  labels: { pod-security.kubernetes.io/enforce: restricted }
$made"
  if [ -n "$check" ]; then
    diff -u --label "$file" --label rendered "$file" - <<<"$made" || fail "$file is not what the chart gives; run scripts/render-kustomize.sh"
  else
    mkdir -p "$into/$base"
    [ -e "$into/$base/kustomization.yaml" ] || cp "deploy/kustomize/base/$base/kustomization.yaml" "$into/$base/"
    printf '%s\n' "$made" >"$file"
  fi
}

render evaluation
render production -f deploy/helm/sandlot/values-production.yaml -f deploy/kustomize/base/production/values.yaml
