#!/usr/bin/env bash
# Makes sure that there is an administrator, and prints his API key:
#   scripts/bootstrap-admin.sh [--url http://127.0.0.1:8080] [--key-file .sandlot/admin.key] [--wait seconds]
#
# Makes the key when there is none, waits until the platform accepts it (default: 300 s), and prints the key, alone, on standard output; all else
# goes to standard error. The platform creates the user `admin` and registers the key when it starts: with a new key, start or restart it.
set -euo pipefail
caller=$PWD
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

url="http://127.0.0.1:${SANDLOT_PORT:-8080}"
key_file="${SANDLOT_DATA_DIR:-.sandlot}/admin.key"
wait=300
while [ $# -gt 0 ]; do
  [ $# -gt 1 ] || fail "$1 needs a value; see the head of $0"
  case $1 in
    --url) url=$2 ;;
    --key-file) key_file=$(cd "$caller" && realpath -m -- "$2") ;;
    --wait) wait=$2 ;;
    *) fail "$1 is unknown; see the head of $0" ;;
  esac
  shift 2
done

[ -e "$key_file" ] || scripts/generate-admin-key.sh "$key_file" >/dev/null
[ -r "$key_file" ] || fail "$key_file cannot be read by this user; run as the user who runs the platform"
node scripts/wait-for-admin.mjs "$url" "$key_file" "$wait" >&2
cat "$key_file"
