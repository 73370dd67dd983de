#!/usr/bin/env bash
# Shows what would go and asks.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

git clean -ndx
read -rp 'Remove all of this? Users, keys and sandboxes in .sandlot are lost for good. [y/N] ' answer || answer=n
[ "$answer" = y ] || fail 'Nothing was removed.'
git clean -qfdx
