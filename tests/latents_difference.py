#!/usr/bin/env python3
"""Two files of --save-latents: prints max |a - b| / max |b| and the same of root mean squares, as
JSON. Standard library alone."""

import array
import json
import math
import struct
import sys


def read(path):
    """-> the values of the file's only tensor, f32"""
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(length)), f.read()
    tensors = [t for name, t in header.items() if name != "__metadata__"]
    if len(tensors) != 1 or tensors[0]["dtype"] != "F32":
        sys.exit(f"{path}: not one f32 tensor")
    begin, end = tensors[0]["data_offsets"]
    return array.array("f", data[begin:end])


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: latents_difference.py FILE REFERENCE")
    a, b = read(sys.argv[1]), read(sys.argv[2])
    if len(a) != len(b) or not all(map(math.isfinite, a)):
        sys.exit("the latents differ in size, or are not finite")
    differences = [x - y for x, y in zip(a, b)]
    print(json.dumps({
        "max": max(map(abs, differences)) / max(map(abs, b)),
        "rms": math.sqrt(sum(d * d for d in differences) / sum(y * y for y in b)),
    }))


if __name__ == "__main__":
    main()
