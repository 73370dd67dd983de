#!/usr/bin/env bash
# As many running sandboxes of a name as one asks for, each with the files that it had:
#   scripts/scale.sh <number> [--prefix devenv] [--url http://127.0.0.1:8080] [--key-file .sandlot/admin.key] [--yes]
#
# Sandboxes <prefix>-0 to <prefix>-<number - 1> of the key's user are made or resumed, those with higher numbers paused: 0 scales to zero. None is
# deleted. Asks before it pauses, unless --yes.
set -euo pipefail
caller=$PWD
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
number='' prefix=devenv url="http://127.0.0.1:${SANDLOT_PORT:-8080}" key_file="${SANDLOT_DATA_DIR:-.sandlot}/admin.key" yes=
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' scripts/scale.sh && exit ;;
    --prefix) prefix=$2 && shift ;;
    --url) url=${2%/} && shift ;;
    --key-file) key_file=$(cd "$caller" && realpath -m -- "$2") && shift ;;
    --yes) yes=yes ;;
    *[!0-9]*) echo "$1 is unknown; see --help" >&2 && exit 2 ;;
    *) number=$1 ;;
  esac
  shift
done
[ -n "$number" ] || { echo 'how many? see --help' >&2 && exit 2; }
[ -r "$key_file" ] || fail "$key_file cannot be read: --key-file names the file with an API key"
for tool in curl jq; do command -v $tool >/dev/null || fail "there is no $tool; install it with your system's packages"; done

# The key goes by a file descriptor: arguments of processes can be read by others.
ask() {
  local method=$1 path=$2 answer status
  shift 2
  answer=$(curl -sS -X "$method" -H @- -H 'content-type: application/json' -H 'Prefer: wait=60' -w '\n%{http_code}' "$@" "$url/api/v1$path" <<<"authorization: Bearer $(<"$key_file")") || return 1
  status=${answer##*$'\n'}
  [ "$status" -lt 300 ] || { echo "$method $path was answered $status: $(jq -r '.detail // .title' <<<"${answer%$'\n'*}" 2>/dev/null)" >&2 && return 1; }
  printf '%s' "${answer%$'\n'*}"
}

# Name and state of each that there is, by number.
there=$(ask GET '/sandboxes?limit=200' | jq -r --arg prefix "$prefix" '.items[] | select(.name | test("^" + $prefix + "-[0-9]+$")) | "\(.name[($prefix | length) + 1:]) \(.state)"' | sort -n)
state_of() { awk -v n="$1" '$1 == n { print $2 }' <<<"$there"; }

higher=$(awk -v n="$number" 'NF && $1 >= n && $2 !~ /^(paused|pausing|deleting)$/ { print $1 }' <<<"$there")
if [ -n "$higher" ] && [ -z "$yes" ]; then
  read -rp "Pause $(printf '%s\n' "$higher" | sed "s/^/$prefix-/" | paste -sd ' ')? [y/N] " answer || answer=n
  [ "$answer" = y ] || fail 'Nothing was changed.'
fi
for n in $higher; do ask POST "/sandboxes/$prefix-$n/pause" | jq -r '"\(.name) \(.state)"'; done
for ((n = 0; n < number; n++)); do
  case $(state_of "$n") in
    '') ask POST /sandboxes -d "{\"name\":\"$prefix-$n\"}" | jq -r '"\(.name) \(.state)"' ;;
    paused | pausing) ask POST "/sandboxes/$prefix-$n/resume" | jq -r '"\(.name) \(.state)"' ;;
    *) echo "$prefix-$n $(state_of "$n")" ;;
  esac
done
