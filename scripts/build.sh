#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

echo '  building …'
mkdir -p .cache
touch .cache/building # a file that changes during the build is newer than this
tsc -b
mv .cache/building services/standalone/dist/.built
