#!/usr/bin/env bash
# Makes the bootstrap administrator's API key:  scripts/generate-admin-key.sh [file]
#
# The file (default: admin.key in SANDLOT_DATA_DIR, which is .sandlot) is readable by its owner alone. One that is there already is left as it is,
# and that is an error. Prints the path, never the key. The platform lets a key in when it starts: SANDLOT_ADMIN_KEY_PATH, or the file
# in the data folder.
set -euo pipefail
file=$(realpath -m -- "${1:-/dev/null}")
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
[ $# -gt 0 ] || file=$(realpath -m -- "${SANDLOT_DATA_DIR:-.sandlot}/admin.key")

[ -e libs/kernel/dist/api-key.js ] || make build >&2
umask 077
mkdir -p "$(dirname "$file")"
node --input-type=module - "$file" <<'NODE'
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { formatApiKey } from './libs/kernel/dist/api-key.js';

const file = process.argv[2];
try {
  writeFileSync(file, `${formatApiKey(randomBytes(32))}\n`, { flag: 'wx', mode: 0o600, flush: true });
  console.log(file);
} catch (error) {
  console.error(error.code === 'EEXIST' ? `${file} is there already; to replace the key, revoke it and remove the file first` : error.message);
  process.exitCode = 1;
}
NODE
