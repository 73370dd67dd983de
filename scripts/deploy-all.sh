#!/usr/bin/env bash
# Deploys Sandlot with Helm, and Vault and its Secrets Operator beside it where they are wanted:
#   scripts/deploy-all.sh [--namespace sandlot] [--dry-run] [helm's own options for Sandlot, such as -f mine.yaml]
#
# Settings, from the environment or from .env (scripts/platform.env.example):
#   RESUME=auto                     leaves out what is deployed already in the version that there is here
#   PARALLEL=true                   deploys all parts at the same time; otherwise one after the other
#   DEPLOY_VAULT, DEPLOY_VSO=true   what goes beside it
#   SKIP_VAULT, SKIP_VSO, SKIP_SANDLOT=true   leave out, whatever the others say
#   VAULT_CHART, VSO_CHART          folders or packages instead of the public charts, for clusters without the internet
#   DEVENV_REPLICAS                 so many sandboxes devenv-0, devenv-1, … of the first administrator afterwards: scripts/scale.sh
#   DEBUG=true                      shows each command
# There is no Boundary: the proxy is what lets people in by who they are. DEPLOY_BOUNDARY and SKIP_BOUNDARY change nothing.
set -euo pipefail
caller=$PWD
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
helm=${HELM:-helm}
namespace=sandlot dry=
options=()
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' scripts/deploy-all.sh && exit ;;
    --namespace) namespace=$2 && shift ;;
    --dry-run) dry=yes ;;
    -f | --values) options+=(-f "$(cd "$caller" && realpath -- "$2")") && shift ;;
    *) options+=("$1") ;;
  esac
  shift
done
if [ -r "$caller/.env" ]; then
  given=$(export -p)
  set -a
  # shellcheck disable=SC1091
  source "$caller/.env"
  set +a
  eval "$given" # what the caller's environment says wins
fi
[ "${DEBUG:-}" != true ] || set -x
hashicorp=https://helm.releases.hashicorp.com

# A part is: name, namespace, chart, and options for helm.
parts=()
wanted() { # name, whether by default
  local deploy=DEPLOY_$1 skip=SKIP_$1
  [ "${!skip:-false}" != true ] && [ "${!deploy:-$2}" = true ]
}
if wanted VAULT false; then parts+=(vault); fi
if wanted VSO false; then parts+=(vault-secrets-operator); fi
if wanted SANDLOT true; then parts+=(sandlot); fi
[ ${#parts[@]} -gt 0 ] || fail 'everything is left out: see --help'

describe() { # sets of a part: where it goes, its chart, where that is from, and what helm is told besides
  from=() with=()
  case $1 in
    sandlot) where=$namespace chart=deploy/helm/sandlot with=("${options[@]}") ;;
    vault) where=vault chart=${VAULT_CHART:-vault} && [ -n "${VAULT_CHART:-}" ] || from=(--repo "$hashicorp" --version 0.30.0) ;;
    vault-secrets-operator)
      where=vault-secrets-operator-system chart=${VSO_CHART:-vault-secrets-operator}
      [ -n "${VSO_CHART:-}" ] || from=(--repo "$hashicorp" --version 0.10.0)
      ;;
  esac
}

is_deployed() { # the part, in this very version
  local there here
  there=$("$helm" list --namespace "$where" --deployed --filter "^$1\$" -o json 2>/dev/null | sed -n 's/.*"chart":"\([^"]*\)".*/\1/p')
  here=$("$helm" show chart "$chart" "${from[@]}" 2>/dev/null | sed -n 's/^version: //p') || return 1
  [ -n "$there" ] && [ "$there" = "$1-$here" ]
}

deploy() {
  local where chart from with
  describe "$1"
  if [ "${RESUME:-}" = auto ] && is_deployed "$1"; then echo "$1: is deployed already" && return; fi
  if [ -n "$dry" ]; then
    echo "$1: would be deployed from $chart into $where"
    return
  fi
  echo "$1: is being deployed into $where …"
  "$helm" upgrade --install "$1" "$chart" --namespace "$where" --create-namespace --wait --timeout 10m "${from[@]}" "${with[@]}" >/dev/null || return 1
  echo "$1: is deployed"
}

failed=()
if [ "${PARALLEL:-}" = true ]; then
  declare -A running
  for part in "${parts[@]}"; do deploy "$part" & running[$part]=$!; done
  for part in "${parts[@]}"; do wait "${running[$part]}" || failed+=("$part"); done
else
  for part in "${parts[@]}"; do deploy "$part" || { failed+=("$part") && break; }; done
fi
[ ${#failed[@]} -eq 0 ] || fail "failed: ${failed[*]}; mend it, and RESUME=auto goes on with what is not deployed" 'docs/how-to/troubleshooting.md'
[ -z "$dry" ] || exit 0

case " ${parts[*]} " in *' sandlot '*) scripts/verify-deployment.sh --namespace "$namespace" --timeout 300 ;; esac
if [ "${DEVENV_REPLICAS:-0}" -gt 0 ]; then
  kubectl port-forward -n "$namespace" service/sandlot 8080:80 >/dev/null &
  trap 'kill %+' EXIT
  key=$(mktemp)
  kubectl get secret -n "$namespace" sandlot-admin-key -o 'go-template={{index .data "admin.key" | base64decode}}' >"$key"
  scripts/scale.sh "$DEVENV_REPLICAS" --key-file "$key"
  rm -f "$key"
fi
