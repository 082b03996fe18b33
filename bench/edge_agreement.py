#!/usr/bin/env python3
"""How well edits keep the edges that were asked for, beside the same seeds without control.

For each picture and prompt: the requested map (`dedit annotate canny`), a picture made with it
(`dedit canny`) and one made without (`dedit generate`), same seeds. F1 of the made picture's Canny
edges against the map, an edge counting as found within --tolerance pixels.
Needs opencv-python-headless and numpy.

  bench/edge_agreement.py --dedit build/release/dedit --out sheet.png
"""

import argparse
import os
import subprocess
import tempfile

import cv2
import numpy as np

PICTURES = os.path.join(os.path.dirname(__file__), "..", "examples", "pictures")
EDITS = [
    ("apple", "a green apple on a yellow background"),
    ("cat", "a blue cat on a white background"),
    ("house-and-tree", "a red house on a green background"),
    ("astronaut", "a purple heart on a yellow background"),
    ("chelsea", "an orange cat on a blue background"),
    ("coffee", "a red balloon on a blue background"),
]


def edges(path):
    return cv2.Canny(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB), 100, 200) > 0


def f1(made, asked, tolerance):
    near = lambda m: cv2.dilate(m.astype(np.uint8), np.ones((2 * tolerance + 1,) * 2)) > 0
    precision = (made & near(asked)).sum() / max(made.sum(), 1)
    recall = (asked & near(made)).sum() / max(asked.sum(), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--seeds", type=int, default=2)
    p.add_argument("--tolerance", type=int, default=2)
    p.add_argument("--scale", type=float, default=1.0)
    p.add_argument("--out", help="a sheet: source, map, with control, without")
    args = p.parse_args()
    rows, scores = [], []
    with tempfile.TemporaryDirectory() as tmp:
        path = lambda name: os.path.join(tmp, name)
        run = lambda *words: subprocess.run([args.dedit, *words, "-q"], check=True)
        for name, prompt in EDITS:
            source = os.path.join(PICTURES, name + ".png")
            height, width = cv2.imread(source).shape[:2]
            run("annotate", "canny", source, "-o", path("map.png"))
            asked = edges(source)
            for seed in range(args.seeds):
                common = ["--prompt", prompt, "--seed", str(seed)]
                run("canny", "--image", source, "--control-scale", str(args.scale), *common,
                    "-o", path("with.png"))
                run("generate", "--width", str(width), "--height", str(height), *common,
                    "-o", path("without.png"))
                pair = [f1(edges(path(f)), asked, args.tolerance)
                        for f in ("with.png", "without.png")]
                scores.append(pair)
                print(f"{name:16} seed {seed}: F1 {pair[0]:.2f} with control, {pair[1]:.2f} without",
                      flush=True)
                files = (source, path("map.png"), path("with.png"), path("without.png"))
                rows.append(np.hstack([cv2.resize(cv2.imread(f), (256, 256)) for f in files]))
        if args.out:
            cv2.imwrite(args.out, np.vstack(rows))
    mean = np.mean(scores, axis=0)
    print(f"mean of {len(scores)}: F1 {mean[0]:.2f} with control, {mean[1]:.2f} without")


if __name__ == "__main__":
    main()
