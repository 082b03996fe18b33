"""What the workers share: arguments, the canny map, clocks. No torch, so that start-up is theirs."""

import json
import os
import statistics
import time

import numpy as np

clock = time.time  # comparable between processes


def add_common_arguments(p):
    p.add_argument("--model", required=True)
    p.add_argument("--control")
    p.add_argument("--image", help="the picture that a canny edit edits")
    p.add_argument("--out", default="edited.png")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--size", type=int, default=512)
    p.add_argument("--batch", type=int, default=1, help="pictures; a CFG step has two rows each")
    p.add_argument("--steps", type=int, default=0, help="of the canny edit; 0 leaves it out")
    p.add_argument("--repeats", type=int, default=2)
    p.add_argument("--parts", default="step,control,decode,encode")
    p.add_argument("--began", type=float, default=clock(), help="when this process was started")


def canny_map(path, size):
    """-> [1, 3, size, size] in [0, 1]"""
    import cv2

    grey = cv2.resize(cv2.imread(path, cv2.IMREAD_GRAYSCALE), (size, size))
    edges = cv2.Canny(grey, 100, 200).astype(np.float32) / 255
    return np.repeat(edges[None, None], 3, axis=1)


def text_width(model):
    """Of the text states that the U-Net of the folder `model` takes."""
    with open(os.path.join(model, "unet", "config.json"), encoding="utf-8") as f:
        return json.load(f)["cross_attention_dim"]


def peak_gib():
    """VmHWM: the most memory this process held at once."""
    with open("/proc/self/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 2**20
    return float("nan")


def steady(call, repeats):
    """Median seconds of a call, after one that plans."""
    call()
    times = []
    for _ in range(repeats):
        begin = clock()
        call()
        times.append(clock() - begin)
    return statistics.median(times)
