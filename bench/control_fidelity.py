#!/usr/bin/env python3
"""How well edits of the model that ships keep the edges asked for: by control scale, and with two
controls that act in one box of the picture each.

Edge F1: Canny edges (100, 200) of what was made against the map, found within --tolerance pixels.
Boxes: two that do not touch, 96 x 96 of 256 x 256, so that 72 % of the picture is nobody's. For each
pair of pictures the map of the first acts in one box and that of the second in the other; the prompt
names a thing that neither shows, so that it draws no part of a map by itself. F1 of each map inside
its box, outside both boxes and in the other's box, with both controls, with one, and without control
on the same seeds. What a mask lets through would show as a rise of its map's F1 outside both boxes;
in the other's box the other control redraws the picture, which moves F1 by itself and is why it is a
column of its own. Differences are paired, their standard errors over pictures. Needs
opencv-python-headless and numpy.

  bench/control_fidelity.py --dedit build/release/dedit --seeds 4 --out sheet.png
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
# Of things that no map shows.
PROMPTS = ("a purple heart on a yellow background", "a red balloon on a blue background",
           "a yellow star on a green background", "a pink flower on a white background",
           "a blue car on an orange background")
SCALES = (0, 0.5, 1, 1.5)
SIZE = 256
BOXES = {"first": (20, 20), "second": (140, 140)}  # left, top
BOX_SIDE = 96


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
        self.boxes = []
        for name, (x, y) in BOXES.items():
            box = np.zeros((SIZE, SIZE), np.uint8)
            box[y:y + BOX_SIDE, x:x + BOX_SIDE] = 255
            cv2.imwrite(self.path(name + ".png"), box)
            self.boxes.append(box > 0)

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

    def masks(self):
        """Scores: control, picture, map, place: own box, outside both, the other's box."""
        scores = {k: [] for k in ("none", "both", "first alone", "second alone")}
        outside = ~(self.boxes[0] | self.boxes[1])
        pairs = list(itertools.combinations(EDITS, 2))[::self.args.every]
        for k, pair in enumerate(pairs):
            controls = [f"kind=canny,map={self.path(name)}-map.png,mask={self.path(box)}.png"
                        for name, box in zip(pair, BOXES)]
            asked = {"none": (), "both": controls, "first alone": controls[:1],
                     "second alone": controls[1:]}
            row = [self.grey(name) for name in pair]
            for kind, given in asked.items():
                pictures = self.make(PROMPTS[k % len(PROMPTS)], *given)
                row.append(cv2.imread(pictures[0]))
                for made in map(edges, pictures):
                    scores[kind].append([[f1(made, self.maps[name], where, self.args.tolerance)
                                          for where in (self.boxes[i], outside, self.boxes[1 - i])]
                                         for i, name in enumerate(pair)])
            self.show(*row)
        scores = {kind: np.array(values) for kind, values in scores.items()}
        places = [f"{m} map, {place}" for m in BOXES for place in ("own box", "outside both", "other's box")]
        print("\n| control | " + " | ".join(places) + " |\n| --- |" + " ---: |" * len(places))
        for kind, values in scores.items():
            print(f"| {kind} | " + " | ".join(f"{v:.3f}" for v in values.mean(0).ravel()) + " |")
        self.difference("both - none", scores["both"] - scores["none"])
        alone = np.stack([scores["second alone"][:, 0], scores["first alone"][:, 1]], axis=1)
        self.difference("both - the other alone", scores["both"] - alone)
        print(f"\n{len(scores['both'])} pictures; +- is the standard error", flush=True)

    def difference(self, name, values):
        error = values.std(0, ddof=1) / len(values) ** 0.5
        print(f"| {name} | " + " | ".join(f"{m:+.3f} +- {e:.3f}" for m, e in
                                          zip(values.mean(0).ravel(), error.ravel())) + " |")


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
        for part in (bench.scales, bench.masks):
            bench.sheet = []
            part()
            if args.out:
                name, ext = os.path.splitext(args.out)
                cv2.imwrite(f"{name}-{part.__name__}{ext}", np.vstack(bench.sheet))


if __name__ == "__main__":
    main()
