#!/usr/bin/env bash
# Every source is as clang-format 14 writes it. Exit 77 (skipped) where that version is not there:
# others format differently.
set -uo pipefail
cd "$(dirname "$0")/.."
tool=$(command -v clang-format-14 || command -v clang-format) || { echo "no clang-format"; exit 77; }
"$tool" --version | grep -q 'version 14\.' || { echo "clang-format is not version 14"; exit 77; }
find include src control kernels tools tests examples bench -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' |
  sort | xargs "$tool" --dry-run --Werror --ferror-limit=1
