#!/usr/bin/env python3
"""How well edits of the model that ships keep the edges asked for: by control scale, and with two
controls that act in one half of the picture each.

Edge F1: Canny edges (100, 200) of what was made against the map, found within --tolerance pixels.
Halves: for each pair of pictures, the map of the first acts on the left half and that of the second
on the right one; F1 of each map inside its half and outside, beside the same seeds without control,
and with one of the two controls alone. "outside" compares a map with the half where it was not
asked for, which measures what leaks past its mask. Needs opencv-python-headless and numpy.

  bench/control_fidelity.py --dedit build/release/dedit --out sheet.png
"""

import argparse
import itertools
import os
import subprocess
import tempfile

import cv2
import numpy as np

PICTURES = os.path.join(os.path.dirname(__file__), "..", "examples", "pictures")
EDITS = {
    "apple": "a green apple on a yellow background",
    "cat": "a blue cat on a white background",
    "house-and-tree": "a red house on a green background",
    "astronaut": "a purple heart on a yellow background",
    "chelsea": "an orange cat on a blue background",
    "coffee": "a red balloon on a blue background",
}
SCALES = (0, 0.5, 1, 1.5)
SIZE = 256


def edges(path):
    return cv2.Canny(cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB), 100, 200) > 0


def f1(made, asked, where, tolerance):
    near = lambda m: cv2.dilate(m.astype(np.uint8), np.ones((2 * tolerance + 1,) * 2)) > 0
    precision = (made & near(asked) & where).sum() / max((made & where).sum(), 1)
    recall = (asked & near(made) & where).sum() / max((asked & where).sum(), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder, self.sheet = args, folder, []
        self.maps = {}
        for name in EDITS:
            small = self.path(name + ".png")
            cv2.imwrite(small, cv2.resize(cv2.imread(os.path.join(PICTURES, name + ".png")), (SIZE, SIZE),
                                          interpolation=cv2.INTER_AREA))
            self.run("annotate", "canny", small, "-o", self.path(name + "-map.png"))
            self.maps[name] = cv2.imread(self.path(name + "-map.png"))[..., 0] > 0
        half = np.zeros((SIZE, SIZE), np.uint8)
        half[:, :SIZE // 2] = 255
        cv2.imwrite(self.path("left.png"), half)
        cv2.imwrite(self.path("right.png"), 255 - half)
        self.left = half > 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *words):
        subprocess.run([self.args.dedit, *map(str, words), "-q"], check=True)

    def make(self, prompt, *controls):
        """Pictures of all seeds, as paths."""
        words = [w for c in controls for w in ("--control", c)]
        self.run("generate", "--prompt", prompt, "--width", SIZE, "--height", SIZE, "--batch",
                 self.args.seeds, "-o", self.path("made-{seed}.png"), *words)
        return [self.path(f"made-{seed}.png") for seed in range(self.args.seeds)]

    def show(self, *pictures):
        self.sheet.append(np.hstack([p if isinstance(p, np.ndarray) else cv2.imread(p) for p in pictures]))

    def grey(self, name):
        return cv2.imread(self.path(name + "-map.png"))

    def scales(self):
        everywhere = np.ones((SIZE, SIZE), bool)
        table = {s: [] for s in SCALES}
        for name, prompt in EDITS.items():
            row = [self.path(name + ".png"), self.grey(name)]
            for scale in SCALES:
                made = self.make(prompt, f"kind=canny,map={self.path(name)}-map.png,scale={scale}")
                table[scale] += [f1(edges(m), self.maps[name], everywhere, self.args.tolerance) for m in made]
                row.append(cv2.imread(made[0]))
            self.show(*row)
        print("| control scale | " + " | ".join(map(str, SCALES)) + " |")
        print("| --- |" + " ---: |" * len(SCALES))
        print("| edge F1 | " + " | ".join(f"{np.mean(v):.2f}" for v in table.values())
              + f" | ({len(table[0])} pictures)", flush=True)

    def halves(self):
        """Rows: control; values: per map, inside and outside its half."""
        rows = {k: [] for k in ("none", "both", "left alone", "right alone")}
        names = list(EDITS)
        for a, b in itertools.islice(itertools.combinations(names, 2), 0, None, self.args.every):
            control = {"left": f"kind=canny,map={self.path(a)}-map.png,mask={self.path('left.png')}",
                       "right": f"kind=canny,map={self.path(b)}-map.png,mask={self.path('right.png')}"}
            asked = {"none": (), "both": tuple(control.values()), "left alone": (control["left"],),
                     "right alone": (control["right"],)}
            row = [self.grey(a), self.grey(b)]
            for kind, controls in asked.items():
                for i, path in enumerate(self.make(EDITS[a], *controls)):
                    made = edges(path)
                    score = lambda m, where: f1(made, self.maps[m], where, self.args.tolerance)
                    rows[kind].append([score(a, self.left), score(a, ~self.left),
                                       score(b, ~self.left), score(b, self.left)])
                    if i == 0:
                        row.append(cv2.imread(path))
            self.show(*row)
        print("\n| control | left map, left half | left map, right half | right map, right half |"
              " right map, left half |\n| --- | ---: | ---: | ---: | ---: |")
        for kind, values in rows.items():
            print(f"| {kind} | " + " | ".join(f"{v:.3f}" for v in np.mean(values, 0)) + " |", flush=True)
        mean = {kind: np.mean(values, 0) for kind, values in rows.items()}
        both = mean["both"]
        print(f"\n{len(rows['both'])} pictures; outside its half, both against none: "
              f"{both[1] - mean['none'][1]:+.3f} and {both[3] - mean['none'][3]:+.3f}; "
              f"against the other control alone: {both[1] - mean['right alone'][1]:+.3f} and "
              f"{both[3] - mean['left alone'][3]:+.3f}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--seeds", type=int, default=2)
    p.add_argument("--tolerance", type=int, default=2)
    p.add_argument("--every", type=int, default=1, help="take every n-th pair of pictures")
    p.add_argument("--out", help="a sheet: pictures, maps and the first seed of every column")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, folder)
        for part in (bench.scales, bench.halves):
            bench.sheet = []
            part()
            if args.out:
                name, ext = os.path.splitext(args.out)
                cv2.imwrite(f"{name}-{part.__name__}{ext}", np.vstack(bench.sheet))


if __name__ == "__main__":
    main()
