# shellcheck shell=bash
# Sourced by every script: the checkout as working folder, the Node that came with npm, and a home folder that can be written to.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
export PATH="$PWD/node_modules/.bin:$PATH"

# npm, pip and go keep caches in it.
if ! [ -d "${HOME:-}" ] || ! [ -w "${HOME:-}" ]; then
  mkdir -p .cache/home
  export HOME="$PWD/.cache/home"
fi

fail() {
  printf '%s\n' "$@" >&2
  exit 1
}
