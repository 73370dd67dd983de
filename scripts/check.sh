#!/usr/bin/env bash
# Everything that can be told without running the platform. Goes through all of it and fails at the end.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

failed=()
check() {
  local name=$1
  shift
  printf '  %s …\n' "$name"
  "$@" || failed+=("$name")
}

lockfile() {
  local said
  said=$(npm ci --dry-run --offline --ignore-scripts --no-audit --no-fund --loglevel=error 2>&1) || { printf '%s\n' "$said" && return 1; }
}

shell_scripts() {
  if ! command -v shellcheck >/dev/null; then
    echo '    shellcheck is not installed: scripts/install-test-programs.sh'
    [ "${CI:-}" != true ]
    return
  fi
  shellcheck -x scripts/*.sh .ci/run
}

check types make build
check formatting prettier --check --log-level warn .
check lint eslint .
check imports depcruise --config .dependency-cruiser.cjs --output-type err-long libs services runtime tools
check 'import rules' node scripts/test-import-rules.mjs
check 'generated documents' node scripts/generate-reference.mjs --check
check 'links in documents' node scripts/check-links.mjs
check lockfile lockfile
check 'shell scripts' shell_scripts

[ ${#failed[@]} -eq 0 ] || fail "$(printf 'failed: %s\n' "${failed[@]}")"
echo '  all is well'
