#!/usr/bin/env python3
"""Random pictures through `dedit annotate` and through the reference Python code of
record_annotator_golden.py (and needs what that needs); prints every run that fails or differs by
more than the case's tolerance. Sizes from 1xN to 130x130, grey to RGBA, 8 and 16 bit.

  tools/check_annotators.py --dedit build/release/dedit --pictures 200 --cases 3
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile

import cv2
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import record_annotator_golden as golden  # noqa: E402

CHOICES = {("scribble", "compat"): ["dedit", "webui"], ("recolor-luminance", "compat"): ["dedit", "webui"],
           ("shuffle", "interpolation"): ["exact", "opencv4"]}


def picture(random):
    sides = [int(random.choice([1, 2, 3, random.randint(1, 130)])), int(random.randint(1, 130))]
    random.shuffle(sides)
    channels, bits = int(random.choice([1, 2, 3, 3, 4])), int(random.choice([8, 8, 16]))
    image = random.randint(0, 256, (sides[0], sides[1], channels)).astype(np.uint8)
    kind = random.randint(4)
    if kind == 1:
        image = cv2.GaussianBlur(image, (0, 0), float(random.uniform(0.5, 8))).reshape(image.shape)
    if kind == 2:
        image = np.where(image > 127, 255, 0).astype(np.uint8)
    if kind == 3:
        image[:] = random.randint(0, 256)
    return image if bits == 8 else (image.astype(np.uint16) * 257 + random.randint(0, 2, image.shape)).clip(0, 65535).astype(np.uint16)


def run(dedit, kind, values, source):
    words = [dedit, "annotate", kind, source, "-q", "-o", source + ".map.png"]
    for name, value in values.items():
        choices = CHOICES.get((kind, name))
        words += ["--" + name] if name == "l2" else ["--" + name, choices[value] if choices else str(value)]
    return subprocess.run(words, stderr=subprocess.PIPE, text=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--pictures", type=int, default=200)
    p.add_argument("--cases", type=int, default=3, help="runs a picture")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    random = np.random.RandomState(args.seed)
    table = [(row, golden.rgb8) for row in golden.CASES] + [(row, lambda image: image) for row in golden.RAW_CASES]
    worst = collections.Counter()
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        source = os.path.join(tmp, "p.png")
        for n in range(args.pictures):
            image = picture(random)
            golden.write_png(source, image)
            for k in random.choice(len(table), args.cases, replace=False):
                (name, kind, values, _, tolerance, reference), prepare = table[k]
                if kind in ("normal", "segmentation") and image.shape[2] != 1:
                    continue
                if kind == "shuffle" and image.shape[:2] == (1, 1):
                    continue  # the reference makes NaN of it
                made = run(args.dedit, kind, values, source)
                what = f"picture {n}, {image.shape} {image.dtype}, {name}"
                if made.returncode != 0:
                    bad += 1
                    print(f"{what}: exit code {made.returncode}: {made.stderr.strip()}")
                    continue
                state = np.random.get_state()
                wanted = golden.HWC3(reference(prepare(image)))
                np.random.set_state(state)
                found = cv2.imread(source + ".map.png", cv2.IMREAD_COLOR)[:, :, ::-1]
                difference = np.abs(found.astype(int) - wanted)
                worst[name] = max(worst[name], int(difference.max()))
                if difference.max() > tolerance:
                    bad += 1
                    print(f"{what}: off by {difference.max()} in {(difference > 0).sum()} samples")
    print(f"{bad} bad; largest differences: " + ", ".join(f"{k} {v}" for k, v in sorted(worst.items())))
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
