#!/usr/bin/env bash
# Installs exactly what package-lock.json says. Packages' own install scripts do not run: none is needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

command -v node >/dev/null || fail 'Node.js is missing. Any recent version will do, it only installs the right one: https://nodejs.org/en/download'
command -v npm >/dev/null || fail 'npm is missing. It comes with Node.js; on Debian and Ubuntu: apt install npm'

echo '  installing dependencies (the first time about a minute) …'
mkdir -p .cache
log=.cache/install.log
if ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --no-update-notifier >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  if grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|network' "$log"; then
    fail '' "The registry $(npm config get registry 2>/dev/null) could not be reached. Check the network and, if there is one," \
      'the proxy (npm config set proxy, https-proxy) or mirror (npm config set registry), then run the same command again.'
  fi
  fail '' "npm ci failed; all that it said is in $log."
fi
touch node_modules/.package-lock.json

# Where npm has no Node 24 for the platform, the system's must be recent enough.
node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 24 || (major === 24 && minor < 11)) process.exit(1)' ||
  fail "Node $(node --version) is too old, and npm has no Node 24 for $(uname -sm); install Node 24.11 or newer."
