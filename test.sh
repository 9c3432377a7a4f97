#!/usr/bin/env bash
# Runs all tests: units, documentation examples, rules of the house, and those that drive the binary.
#
#   ./test.sh             everything
#   ./test.sh mailbox     tests whose name contains `mailbox`
#
# Tests that need something the machine lacks (a Debian package, valgrind) say SKIPPED on a line of
# their own; MOONHIVE_REQUIRE_ALL=1 makes that a failure.
set -euo pipefail
cd "$(dirname "$0")"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cargo test --workspace --no-fail-fast "$@" </dev/null 2>&1 | tee "$log" || status=$?

# The runner prints a line for each test binary; people want the sum.
skipped=$(grep -c '^SKIPPED' "$log" || true)
awk -v skipped="$skipped" '
  /^test result:/ { passed += $4; failed += $6; ignored += $8 }
  END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, ignored + skipped }' "$log"
exit "$status"
