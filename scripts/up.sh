#!/usr/bin/env bash
# Starts the platform in the foreground. Settings: docs/reference/settings.md.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

exec node services/standalone/dist/main.js
