#!/usr/bin/env python3
"""Record Pillow's Lanczos resizes of small random pictures (tests/data/io/pillow_resize.json).

Pictures are numpy's default_rng(5).integers(0, 256), rows of 8-bit samples, of 1, 3 and 4
channels. Needs numpy and pillow.
"""

import json
import os
import sys

import numpy as np
import PIL
from PIL import Image

CASES = ((1, (13, 9), (8, 8)), (1, (5, 7), (16, 24)), (3, (13, 9), (8, 8)), (3, (6, 10), (8, 10)),
         (4, (13, 9), (8, 8)), (4, (5, 6), (8, 8)))


def main():
    rng = np.random.default_rng(5)
    rows = []
    for channels, (w, h), (to_w, to_h) in CASES:
        a = rng.integers(0, 256, (h, w, channels), dtype=np.uint8)
        image = Image.fromarray(a[..., 0] if channels == 1 else a)
        out = np.asarray(image.resize((to_w, to_h), Image.Resampling.LANCZOS))
        rows.append({"channels": channels, "from": [w, h], "to": [to_w, to_h],
                     "in": a.ravel().tolist(), "out": out.ravel().tolist()})
    head = {"script": "tools/record_resize_golden.py", "pillow": PIL.__version__,
            "numpy": np.__version__}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/data/io")
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "pillow_resize.json"), "w", encoding="utf-8") as f:
        body = ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in rows)
        f.write(f'{{\n "source": {json.dumps(head)},\n "cases": [\n{body}\n ]\n}}\n')


if __name__ == "__main__":
    sys.exit(main())
