#!/usr/bin/env bash
# Builds Moonhive and runs the corpus example: 1,000 services count the words of this machine's licence
# texts, with the code cache ON and then OFF, and the result is counted again in Python.
#
#   ./examples/corpus/run.sh             1,000 workers
#   ./examples/corpus/run.sh 200         another number
#
# Needs the Debian packages lua-penlight, lua-dkjson and lua-inspect; installs them if it may, and ends
# with code 77 if they are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

workers=${1:-1000}
packages=(lua-penlight lua-dkjson lua-inspect)

missing() {
  dpkg-query -W -f '${Package} ${Status}\n' "${packages[@]}" 2>/dev/null |
    awk '/install ok installed/ { print $1 }' | sort >"$scratch/installed"
  printf '%s\n' "${packages[@]}" | sort | comm -23 - "$scratch/installed"
}

install_packages() {
  [ -n "$(missing)" ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $(missing | paste -sd' ')"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(missing) >/dev/null
  fi
  [ -z "$(missing)" ] && return 0
  echo "SKIPPED: missing Debian packages: $(missing | paste -sd' ')" >&2
  echo "hint: sudo apt-get install $(missing | paste -sd' ')" >&2
  exit 77
}

# Debian keeps the three packages in folders of several Lua versions; the newest comes first.
module_paths() {
  for version in 5.4 5.3 5.2 5.1; do
    if [ -d "/usr/share/lua/$version" ]; then echo --path "/usr/share/lua/$version"; fi
  done
}

run() {
  echo "cache $1: $workers workers"
  # A worker reads texts of megabytes in one go, which takes a while on a busy machine.
  target/release/moonhive run --cache "$1" --stats --turn-limit 30s --set "workers=$workers" \
    --path examples/corpus $(module_paths) examples/corpus/main.lua \
    2>&1 >"$scratch/$1.json" | tee "$scratch/$1.stats" >&2
}

# The average that a run printed at its end, like `83.0 KiB`.
memory_of() {
  awk '/^memory / { print $2, $3 }' "$scratch/$1.stats"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
install_packages
cargo build --release --quiet --bin moonhive

run ON
cat "$scratch/ON.json"
run OFF
cmp "$scratch/ON.json" "$scratch/OFF.json" && echo "both runs printed the same report"
if command -v python3 >/dev/null; then examples/corpus/check.py "$scratch/ON.json"; fi
echo "memory per service: $(memory_of ON) with the cache ON, $(memory_of OFF) with it OFF"
