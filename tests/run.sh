#!/usr/bin/env bash
# Installs packages, builds with warnings as errors, runs every test. Ends with "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."

bash tools/install_packages.sh --tests
cmake --preset ci >/dev/null
cmake --build --preset ci

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
ctest --preset ci -j "$(nproc)" --timeout 600 2>&1 | tee "$log" || status=$?

total=$(sed -n 's/.*tests passed, .* failed out of \([0-9]*\)$/\1/p; s/.*tests failed out of \([0-9]*\)$/\1/p' "$log" | tail -n 1)
failed=$(sed -n 's/.* \([0-9]*\) tests failed out of.*/\1/p; s/.*, \([0-9]*\) tests failed.*/\1/p' "$log" | tail -n 1)
total=${total:-0}
failed=${failed:-$total}
skipped=$(grep -c '\*\*\*Skipped' "$log" || true)
echo "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
if [[ $total -eq 0 ]]; then
  echo "no test was run" >&2
  exit 1
fi
exit "$status"
