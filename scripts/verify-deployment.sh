#!/usr/bin/env bash
# Whether an installation has been rolled out and answers, without a key:
#   scripts/verify-deployment.sh [--namespace sandlot] [--name sandlot] [--timeout 300]
#
# --name is what the names of its objects begin with, --timeout the seconds that all of it may take. On failure it shows what waits. Needs kubectl
# alone; the current context, or KUBECONFIG, says where.
set -euo pipefail
namespace=sandlot name=sandlot timeout=300
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
    --namespace) namespace=$2 ;;
    --name) name=$2 ;;
    --timeout) timeout=$2 ;;
    *) echo "$1 is unknown; see --help" >&2 && exit 2 ;;
  esac
  shift 2
done

end=$((SECONDS + timeout))
left() { echo $((end > SECONDS ? end - SECONDS : 1)); }
give_up() {
  {
    echo "$1; what there is:"
    kubectl get pods,jobs -n "$namespace" -o wide || true
    kubectl get events -n "$namespace" --field-selector type=Warning -o custom-columns=:.involvedObject.name,:.reason,:.message | tail -n 10 || true
    echo 'docs/how-to/troubleshooting.md goes on from here'
  } >&2
  exit 1
}

for service in auth provisioner audit gateway proxy; do
  kubectl rollout status -n "$namespace" "deployment/$name-$service" --timeout="$(left)s" || give_up "$name-$service is not rolled out"
done

# Through the API server, so that nothing has to be open to the outside.
port=$(kubectl get service -n "$namespace" "$name" -o 'jsonpath={.spec.ports[0].name}')
protocol=; [ "$port" != https ] || protocol=https:
until answer=$(kubectl get --raw "/api/v1/namespaces/$namespace/services/$protocol$name:$port/proxy/health" 2>&1); do
  [ "$SECONDS" -lt "$end" ] || give_up "the public port does not answer: $answer"
  sleep 1
done
echo "$answer"
