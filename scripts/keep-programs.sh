#!/usr/bin/env bash
# Keeps the programs of this version, as they are compiled: scripts/keep-programs.sh <version>, when that version is released, after `make build`.
# version-skew.e2e.spec.ts runs them beside the newest, service by service. What npm installs is not in them: they run on what is installed now.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

version=${1-}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail 'which version is it? scripts/keep-programs.sh 0.1.0'
kept=services/standalone/src/released/$version
mkdir -p "$kept"
find package.json libs/*/package.json services/*/package.json runtime/package.json libs/*/dist services/*/dist runtime/dist docs/runbooks \
  -type f \( -name package.json -o -name '*.js' -o -name '*.md' \) -not -path '*/dist/testing/*' -not -path 'libs/testing/*' \
  -not -name '*.spec.js' -not -name '*.features.js' -not -name '*.fixture.js' -print0 |
  sort -z |
  tar --create --null --files-from - --owner 0 --group 0 --mtime @0 | gzip -9n >"$kept/programs.tgz"
ls -l "$kept/programs.tgz"
