#!/usr/bin/env bash
# From a fresh clone to a picture: installs packages, builds, and runs the main job with the model
# that ships. Leaves quickstart.png in the folder it is called from.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

bash "$root/tools/install_packages.sh"
(cd "$root" && cmake --preset release -DCMAKE_INSTALL_MESSAGE=NEVER >/dev/null && cmake --build --preset release)

"$root/build/release/dedit" canny --image "$root/examples/pictures/apple.png" \
  --prompt "a green apple on a yellow background" --seed 3 \
  --save-map quickstart-map.png -o quickstart.png
echo "the edges: $PWD/quickstart-map.png"
echo "the picture: $PWD/quickstart.png"
