#!/usr/bin/env bash
# The programs of others that some tests run or ask for an opinion: kosoku (WebSocket), schemathesis (OpenAPI) and checkov (manifests) from PyPI and
# kube-score (manifests) from its Go module into .cache, the manifests' two in CI alone, or with --all; and in CI, as root on Debian and its like,
# what Debian has. On your own machine nothing is installed outside of this folder: a test whose program is missing is skipped and says so, and so
# is what cannot be had.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

tools=.cache/test-programs
fetched='kosoku==0.1.0 schemathesis==4.32.5'
if [ "${CI:-}" = true ] || [ "${1:-}" = --all ]; then
  fetched+=' checkov==3.3.30'
  if [ ! -x "$tools/bin/kube-score" ]; then
    echo '  building kube-score …'
    GOBIN="$PWD/$tools/bin" go install github.com/zegl/kube-score/cmd/kube-score@v1.20.0 >/dev/null 2>&1 ||
      echo '  kube-score cannot be had; the tests that ask it are skipped'
  fi
fi
if [[ "$(cat "$tools/installed" 2>/dev/null)" != "$fetched"* ]]; then
  echo "  fetching $fetched …"
  # shellcheck disable=SC2086 # each word is a package
  { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet --disable-pip-version-check $fetched && echo "$fetched" >"$tools/installed"; } ||
    echo '  they cannot be had; the tests that ask them are skipped'
fi

[ "${CI:-}" = true ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || exit 0

missing=()
want() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }
want ssh openssh-client
want sshd openssh-server
want rsync rsync
want chromium chromium
want slowhttptest slowhttptest
want shellcheck shellcheck
want jq jq
want iptables iptables
[ ${#missing[@]} -gt 0 ] || exit 0

echo "  installing ${missing[*]} for the tests …"
export DEBIAN_FRONTEND=noninteractive
install() { apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1; }
install || { apt-get -qq update >/dev/null 2>&1 && install; } || echo "  could not install ${missing[*]}; the tests that need them are skipped"
