#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that dedit is built from; with --tests those of the tests
# too. Does nothing, and needs no root, where they are already there.
set -euo pipefail

packages=(g++ cmake ninja-build pkg-config libdnnl-dev libopencv-dev libeigen3-dev libboost-math-dev
          nlohmann-json3-dev libspdlog-dev libcli11-dev libpng-dev libssl-dev libutf8proc-dev)
if [[ ${1:-} == --tests ]]; then
  packages+=(libgtest-dev libgmock-dev libboost-context-dev clang-format-14 git)
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

sudo=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "missing packages, and no root: ${missing[*]}" >&2; exit 1; }
  sudo=(sudo)
fi
echo "installing: ${missing[*]}"
"${sudo[@]}" apt-get update -qq
# clang-format 14 is not in every release; the format check is skipped, with a word, without it.
if ! apt-cache show clang-format-14 >/dev/null 2>&1; then
  kept=()
  for package in "${missing[@]}"; do [[ $package == clang-format-14 ]] || kept+=("$package"); done
  missing=("${kept[@]}")
fi
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
