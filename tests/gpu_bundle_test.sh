#!/usr/bin/env bash
# gpu_bundle_test.sh BUILD: makes the bundle, unpacks it elsewhere and runs its CPU part.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bundle=$work/bundle.tar.xz
command -v zstd >/dev/null && bundle=$work/bundle.tar.zst
bash "$here/gpu_bundle.sh" --build "$1" "$bundle"
case $bundle in
  *.zst) zstd -qdc --long=27 "$bundle" | tar -C "$work" -xf - ;;
  *) tar -C "$work" -xf "$bundle" ;;
esac

stages=machine,cpu,tests
command -v nvidia-smi >/dev/null && stages=machine,cpu  # the GPU's part has its own time and place
bash "$work/dedit-gpu/tests/gpu.sh" --stages "$stages" --report "$work/report"
grep -q '"name": "cpu/kernels"' "$work/report/report.json"
grep -q '"name": "cpu/edit"' "$work/report/report.json"
if [[ $stages == *tests* ]]; then
  grep -q '^not-run  tests/all: this machine has no GPU' "$work/report/report.txt"
fi
