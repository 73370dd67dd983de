#!/usr/bin/env bash
# A ProxyCommand for ssh: bytes between stdin/stdout and a port of a sandbox. Nothing but bash and cat, and no key in any command line.
#
#   ssh -o ProxyCommand='scripts/sandlot-tunnel.sh %h %p' user@my-sandbox
#
# SANDLOT_URL: http://host:port of Sandlot. Default http://127.0.0.1:8080.
# SANDLOT_API_KEY: the key; else the file SANDLOT_API_KEY_FILE, by default ~/.config/sandlot/key.
set -euo pipefail

fail() { echo "sandlot-tunnel: $1" >&2; exit 1; }

[ $# -eq 2 ] || fail 'usage: sandlot-tunnel.sh SANDBOX PORT'
url=${SANDLOT_URL:-http://127.0.0.1:8080}
[[ $url =~ ^http://([^/:]+)(:([0-9]+))?/?$ ]] || fail "SANDLOT_URL must be http://host:port, not $url"
host=${BASH_REMATCH[1]} port=${BASH_REMATCH[3]:-80}
key_file=${SANDLOT_API_KEY_FILE:-$HOME/.config/sandlot/key}
key=${SANDLOT_API_KEY:-}
[ -n "$key" ] || key=$(<"$key_file") || fail "no key: set SANDLOT_API_KEY, or write it to $key_file"

exec 3<>"/dev/tcp/$host/$port" || fail "nobody answers at $url"
printf 'CONNECT %s:%s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Bearer %s\r\n\r\n' "$1" "$2" "$1" "$key" >&3
IFS= read -r status <&3 || fail "$url closed the connection"
while IFS= read -r line <&3 && [ "$line" != $'\r' ]; do :; done
if [[ $status != 'HTTP/1.1 200 '* ]]; then
  IFS= read -r problem <&3 || true
  fail "${status%$'\r'} ${problem:-}"
fi

# It ends with whichever side ends first; bash cannot end one direction of a connection alone.
exec 4<&0
{
  cat <&4 >&3
  kill $$
} >/dev/null 2>&1 &
exec cat <&3
