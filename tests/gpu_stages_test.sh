#!/usr/bin/env bash
# What gpu.sh makes of programs of tests that end with 0: passed if tests ran, failed if they were
# skipped for want of a GPU or none ran. The programs are stand-ins, on a machine that says it has a
# GPU.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/build/tests" "$work/bin"
export PATH=$work/bin:$PATH

program() { printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod +x "$1"; }
program "$work/build/dedit" 'echo "cuda:0: a stand-in"'
# Runs what follows its own options.
program "$work/bin/compute-sanitizer" 'while [ "${1#/}" = "$1" ]; do shift; done; exec "$@"'

# expect STATUS LINE STAGE: of test_gpu as it is now.
expect() {
  local status=0
  bash "$here/gpu.sh" --build "$work/build" --work "$work/work" --report "$work/report" --stages "$3" \
    >"$work/log" 2>&1 || status=$?
  if [[ $status -ne $1 ]] || ! grep -q "^$2" "$work/report/report.txt"; then
    echo "$3: status $status, expected $1 and a line '$2':" >&2
    cat "$work/log" >&2
    exit 1
  fi
}

test_gpu() { program "$work/build/tests/test_gpu" "cat <<'END'
$1
END"; }

test_gpu '[==========] 3 tests from 1 test suite ran. (1 ms total)
[  PASSED  ] 3 tests.'
expect 0 'passed   tests/gpu: ' tests
expect 0 'passed   memcheck/small: ' memcheck

# Tests of kernels for another generation may be left out.
test_gpu 'tests/cuda/product_sm90_test.cpp:16: Skipped
a kernel for compute capability 9.0 alone
[  PASSED  ] 2 tests.
[  SKIPPED ] 1 test, listed below:'
expect 0 'passed   tests/gpu: ' tests

test_gpu 'tests/cuda/kernel_test.h:86: Skipped
no GPU: no CUDA-capable device is detected
[  PASSED  ] 2 tests.
[  SKIPPED ] 1 test, listed below:'
for stage in tests memcheck racecheck; do
  name=small
  [[ $stage == tests ]] && name=gpu
  expect 1 "failed   $stage/$name: 1 tests were skipped; no GPU: no CUDA-capable device" "$stage"
done

test_gpu '[==========] 0 tests from 0 test suites ran. (0 ms total)
[  PASSED  ] 0 tests.'
expect 1 'failed   tests/gpu: no test was run' tests
test_gpu ''
expect 1 'failed   tests/gpu: no test was run' tests
