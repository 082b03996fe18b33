#!/bin/sh
# Three edits in one pipe: a new picture on the edges of another, a box of it repainted, a light pass
# over all of it. Only the last picture is written. A step that fails sends nothing on, so that the
# steps after it fail too and the script's exit code is not 0.
#   examples/chain.sh room.png out.png
set -eu

if [ $# -ne 2 ]; then
  echo "usage: $0 PICTURE OUTPUT" >&2
  exit 2
fi
picture=$1
output=$2
dedit=${DEDIT:-dedit}    # the binary, if it is not on the PATH
steps=${STEPS:-20}       # of each edit
box=${BOX:-16,16,32,32}  # left, top, width, height in pixels

mask=$(mktemp -d)
trap 'rm -rf "$mask"' EXIT
"$dedit" mask box "$picture" --xywh "$box" --feather 4 -o "$mask/m.png"

"$dedit" canny --image "$picture" --prompt "a watercolour" --steps "$steps" --seed 1 -o - |
  "$dedit" inpaint --image - --mask "$mask/m.png" --prompt "a red flower" --steps "$steps" \
    --seed 2 -o - |
  "$dedit" img2img --image - --prompt "a watercolour" --strength 0.3 --steps "$steps" --seed 3 \
    -o "$output"
