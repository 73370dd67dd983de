#!/usr/bin/env bash
# Runs every test of every tier, or with --fast only the pure specs. Further arguments go to jest: scripts/test.sh services/proxy
# The last line is `N passed, N failed`, also when it does not come to the tests.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

stop() {
  printf '%s\n\n0 passed, 1 failed\n' "$1"
  exit 1
}

if [ "${1:-}" = --fast ]; then
  shift
  set -- --testPathIgnorePatterns '\.(int|e2e)\.spec\.ts$' "$@"
else
  make install || stop 'It could not be installed, so no test ran.'
  make build || echo 'It does not compile cleanly, which make check reports; the tests run all the same.'
  node scripts/find-nats-server.mjs || stop 'There is no nats-server, or no build to look for one, so no test ran.'
  scripts/install-test-programs.sh
  node scripts/prepare-testbed.mjs "$@" || echo 'There is no Kubernetes to test on; the tests that need one will fail.'
fi
exec node scripts/run-tests.mjs "$@"
