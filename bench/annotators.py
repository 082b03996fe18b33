#!/usr/bin/env python3
"""Every annotator beside the Python code it repeats: the difference of their maps, and their times.

The references are those of tools/record_annotator_golden.py and need what it needs. Times are
processor time of one thread from the decoded picture to the map, the least of --repeat runs of dedit
and of Python in turn. Each run is the first of a process of its own (Python's are forked, libraries
loaded), since that is how a map is made from the shell, and both then pay for the pages of memory
they touch. --cpu pins both to a core.

  bench/annotators.py --dedit build/release/dedit PICTURE...
  bench/annotators.py --dedit build/release/dedit --megapixels 4     # the sample pictures, tiled
"""

import argparse
import glob
import os
import re
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tools"))
import record_annotator_golden as golden  # noqa: E402


def load(path):
    image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:
        return image[:, :, None]
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def tiled(megapixels):
    """A picture of that size from the sample photographs, mirrored at the seams."""
    parts = [cv2.imread(p) for p in sorted(glob.glob(os.path.join(HERE, "..", "examples/pictures/*.png")))]
    parts = [cv2.resize(p, (512, 512)) for p in parts]
    side = int((megapixels * 1e6) ** 0.5) // 8 * 8
    row = np.concatenate(parts + [p[:, ::-1] for p in parts], axis=1)
    sheet = np.concatenate([row, row[::-1]] * (side // 1024 + 1), axis=0)
    while sheet.shape[1] < side:
        sheet = np.concatenate([sheet, sheet], axis=1)
    return sheet[:side, :side]


def make(dedit, kind, values, source):
    words = [dedit, "annotate", kind, source, "-v", "-o", source + ".map.png"]
    for name, value in values.items():
        choices = {("scribble", "compat"): ["dedit", "webui"], ("recolor-luminance", "compat"): ["dedit", "webui"],
                   ("shuffle", "interpolation"): ["exact", "opencv4"]}.get((kind, name))
        words += ["--" + name] if name == "l2" else ["--" + name, choices[value] if choices else str(value)]
    log = subprocess.run(words, check=True, stderr=subprocess.PIPE, text=True).stderr
    return float(re.search(r"map made in [0-9.]+ ms, ([0-9.]+) ms of processor", log).group(1))


def reference_time(reference, image):
    """Milliseconds of processor time in a forked process."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        start = time.process_time()
        golden.HWC3(reference(image))  # three channels, as a network takes them
        os.write(write, str((time.process_time() - start) * 1000).encode())
        os._exit(0)
    os.close(write)
    text = os.read(read, 64)
    os.close(read)
    os.waitpid(child, 0)
    return float(text)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("pictures", nargs="*")
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--megapixels", type=float)
    p.add_argument("--repeat", type=int, default=1)
    p.add_argument("--cpu", type=int, help="the core for both")
    args = p.parse_args()
    cv2.setNumThreads(1)
    if args.cpu is not None:
        os.sched_setaffinity(0, {args.cpu})
    print(f"OpenCV {cv2.__version__}, numpy {np.__version__}")
    with tempfile.TemporaryDirectory() as tmp:
        if args.megapixels:
            args.pictures.append(os.path.join(tmp, "tiled.png"))
            cv2.imwrite(args.pictures[-1], tiled(args.megapixels))
        print(f"{'case':28}{'most':>6}{'differ':>10}{'dedit ms':>10}{'Python ms':>11}")
        for name, kind, values, _, _, reference in golden.CASES:
            most, count, total, ours, theirs = 0, 0, 0, 0.0, 0.0
            for path in args.pictures:
                image = golden.rgb8(load(path))
                pairs = [(make(args.dedit, kind, values, path), reference_time(reference, image))
                         for _ in range(args.repeat)]
                ms, python_ms = (min(column) for column in zip(*pairs))
                made, wanted = load(path + ".map.png"), golden.HWC3(reference(image))
                difference = np.abs(made.astype(int) - wanted)
                most = max(most, int(difference.max()))
                count += int((difference > 0).sum())
                total += difference.size
                ours, theirs = ours + ms, theirs + python_ms
            print(f"{name:28}{most:6}{count / total:10.2e}{ours:10.1f}{theirs:11.1f}", flush=True)


if __name__ == "__main__":
    main()
