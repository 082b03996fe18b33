#!/usr/bin/env python3
"""Record what the web UI's ControlNet extension makes of control maps at another size.

Runs the extension's own rule (Mikubill/sd-webui-controlnet, GPL-3.0; nothing of it is kept here):
`high_quality_resize` of scripts/controlnet.py and scripts/lvminthin.py, from a checkout, on small
maps made by the rules below. Writes tests/data/maps/resize.json: for every case how the map is
made, the size asked for and the bytes of the result, run by run (value, count).

  tools/record_map_golden.py --extension DIR
"""

import argparse
import ast
import json
import os
import subprocess
import sys
import textwrap

import cv2
import numpy as np

# kind, width, height, new width, new height
CASES = [
    ("lines", 64, 48, 96, 72), ("lines", 64, 48, 128, 96), ("lines", 64, 48, 200, 150),
    ("lines", 64, 48, 40, 30), ("lines", 64, 48, 32, 48), ("lines", 63, 47, 81, 53),
    ("circle", 61, 61, 122, 122), ("circle", 61, 61, 90, 90), ("circle", 61, 61, 45, 45),
    ("diagonal", 40, 40, 100, 100), ("diagonal", 40, 40, 56, 24), ("diagonal", 40, 40, 24, 24),
    ("blocks", 48, 48, 80, 80), ("blocks", 48, 48, 31, 31),
    ("classes", 48, 32, 72, 48), ("classes", 48, 32, 30, 20),
    ("soft", 48, 32, 72, 48), ("soft", 48, 32, 30, 20),
    ("dark", 48, 32, 72, 48),
]


def make(kind, width, height):
    """By integer arithmetic; tests/io/map_resize_test.cpp does the same."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    if kind == "lines":
        on = ((x + 2 * y) % 23 == 0) | (x == width // 3) | (y == height // 2)
    elif kind == "circle":
        r = (2 * x - width + 1) ** 2 + (2 * y - height + 1) ** 2
        on = (r >= (width - 13) ** 2) & (r < (width - 10) ** 2)
    elif kind == "diagonal":
        on = (x == y) | (x + 2 * y == width + 7)
    elif kind == "blocks":
        on = (x // 12 + y // 16) % 2 == 0
    elif kind == "dark":
        on = (x // 5 + y // 7) % 2 == 0
    else:
        on = None
    if kind == "classes":
        grey = (x // 9 + 3 * (y // 7)) * 23 % 256
        return np.stack([grey, 255 - grey, grey // 2], 2).astype(np.uint8)
    if kind == "soft":
        grey = (x * 5 + y * 3 + x * y // 7) % 256
        return np.stack([grey, (grey + y) % 256, grey // 2], 2).astype(np.uint8)
    value = 128 if kind == "dark" else 255
    return np.repeat((on * value).astype(np.uint8)[..., None], 3, axis=2)


def extension_rule(folder):
    thinning = {}
    exec(open(os.path.join(folder, "scripts", "lvminthin.py"), encoding="utf-8").read(), thinning)
    text = open(os.path.join(folder, "scripts", "controlnet.py"), encoding="utf-8").read()
    node = next(n for n in ast.walk(ast.parse(text))
                if isinstance(n, ast.FunctionDef) and n.name == "high_quality_resize")
    lines = text.splitlines(True)[node.lineno - 1:node.end_lineno]
    names = {"np": np, "cv2": cv2, "nake_nms": thinning["nake_nms"],
             "lvmin_thin": thinning["lvmin_thin"],
             "get_unique_axis0": lambda data: np.unique(data, axis=0)}
    exec(textwrap.dedent("".join(lines)), names)
    return names["high_quality_resize"]


def runs(values):
    out = []
    for v in values.ravel().tolist():
        if out and out[-2] == v:
            out[-1] += 1
        else:
            out += [v, 1]
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    p.add_argument("--extension", required=True)
    p.add_argument("--out", default=os.path.join(here, "..", "tests", "data", "maps"))
    args = p.parse_args()
    rule = extension_rule(args.extension)
    cases = []
    for kind, width, height, new_width, new_height in CASES:
        made = rule(make(kind, width, height), (new_width, new_height))
        # Black and white results are the same in all channels; others are told by a channel sum.
        is_grey = bool((made == made[..., :1]).all())
        case = {"kind": kind, "from": [width, height], "to": [new_width, new_height]}
        if is_grey:
            case["grey"] = runs(made[..., 0])
        else:
            case["rows"] = made.astype(int).sum(1).tolist()
        cases.append(case)
    commit = subprocess.run(["git", "-C", args.extension, "rev-parse", "HEAD"], check=False,
                            capture_output=True, text=True).stdout.strip()
    os.makedirs(args.out, exist_ok=True)
    path = os.path.join(args.out, "resize.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"script": "tools/record_map_golden.py", "opencv": cv2.__version__,
                   "extension": commit or "56cec5b2958edf3b1807b7e7b2b1b5186dbd2f81",
                   "cases": cases}, f, separators=(",", ":"))
        f.write("\n")
    print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    sys.exit(main())
