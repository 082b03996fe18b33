#!/usr/bin/env python3
"""Seconds and memory of `dedit` and of other engines on one checkpoint, in one run: one process at a
time, in turn, round after round; medians, and dedit's share of each rival's time.

  bench/rivals/measure.py --dedit build/release/dedit \\
      --networks build/release/bench/bench_networks --model sd15 --control sd15-cn

README.md beside this folder says how each rival is set up. A row whose engine is not there is left
out with the reason. Rows: ENGINE-CLASS[:LIMIT...] with the limits tN (threads), avx2, avx512,
lowmem. Figures:
  step       a CFG step (two rows through the U-Net)
  control    a ControlNet pass of two rows
  decode, encode   VAE, one picture
             these four are networks alone, called again and again in one process
  edit_step  a step of the canny edit (U-Net, ControlNet, guidance, solver)
  decode_first   the edit's decoding, whose memory is new
  edit       the whole edit, from process start to the end of the process
  start      process start to the end of the first step, less one steady step
  peak       GiB, most memory held at once during the edit
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import engines
from child import Failed

DEFAULT_ROWS = ("dedit-exact,dedit-auto,diffusers-f32,diffusers-bf16,compile-f32,openvino-f32,"
                "openvino-bf16,sdcpp-f16,mini-exact,mini-auto")
MORE_ROWS = {
    "scaling": "dedit-exact:t1,dedit-exact:t2,dedit-auto:t1,dedit-auto:t2,diffusers-f32:t1,"
               "diffusers-f32:t2",
    "avx2": "dedit-exact:avx2,dedit-auto:avx2,diffusers-f32:avx2",
    "lowmem": "dedit-exact:lowmem",
}


def picture(folder, size):
    """A picture with edges: one that ships, enlarged."""
    from PIL import Image

    source = os.path.join(engines.HERE, "..", "..", "examples", "pictures", "coffee.png")
    path = os.path.join(folder, "picture.png")
    Image.open(source).convert("RGB").resize((size, size), Image.BICUBIC).save(path)
    return path


def burst(args):
    """What the machine can do now, GFLOP/s: an f32 FMA burst (and bf16, AMX)."""
    if not args.burst:
        return {}
    return json.loads(subprocess.run([args.burst, "--burst"], check=True, capture_output=True,
                                     text=True).stdout)


def measure(args, row):
    before = burst(args)
    began = time.time()
    figures = engines.ENGINES[row.engine](args, row)
    sample = {"figures": figures, "burst": [before, burst(args)]}
    text = ", ".join(f"{k} {v:.2f}" for k, v in figures.items() if v is not None)
    print(f"  {row.name}: {text} ({time.time() - began:.0f} s)", file=sys.stderr, flush=True)
    return sample


def medians(samples):
    return {f: statistics.median(s["figures"][f] for s in samples)
            for f in engines.FIGURES if all(f in s["figures"] for s in samples)}


def print_table(results, rounds):
    print(f"\nMedians of {rounds}, seconds; peak in GiB\n")
    print("| | " + " | ".join(engines.FIGURES) + " |")
    print("| --- |" + " --- |" * len(engines.FIGURES))
    table = {name: medians(samples) for name, samples in results.items() if samples}
    for name, row in table.items():
        print(f"| {name} | " + " | ".join(
            f"{row[f]:.2f}" if f in row else "-" for f in engines.FIGURES) + " |")
    ours = [n for n in table if n.startswith("dedit-")]
    for mine in ours:
        theirs = [n for n in table if n.split("-")[0] not in ("dedit", "mini")
                  and n.split(":")[1:] == mine.split(":")[1:]]
        if not theirs:
            continue
        print(f"\n{mine}, share of each rival's figure\n")
        print("| of | " + " | ".join(engines.FIGURES) + " |")
        print("| --- |" + " --- |" * len(engines.FIGURES))
        for name in theirs:
            shares = [f"{table[mine][f] / table[name][f]:.2f}"
                      if f in table[mine] and f in table[name] else "-" for f in engines.FIGURES]
            print(f"| {name} | " + " | ".join(shares) + " |")
    return table


def parse():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--networks", help="the program bench_networks, for dedit's rows")
    p.add_argument("--model", required=True, help="diffusers folder, f16 weights")
    p.add_argument("--control", required=True, help="ControlNet's diffusers folder")
    p.add_argument("--python-torch", help="interpreter with torch and diffusers (this one)")
    p.add_argument("--python-openvino", help="interpreter with openvino (this one)")
    p.add_argument("--ir", help="folder for OpenVINO's converted networks, made if missing")
    p.add_argument("--sdcpp", help="stable-diffusion.cpp's command-line program")
    p.add_argument("--ldm", help="the same checkpoint as one file, for stable-diffusion.cpp")
    p.add_argument("--ldm-control", help="the same ControlNet as one file")
    p.add_argument("--burst", help="bench_ops, whose --burst is taken around every measurement")
    p.add_argument("--rows", default=DEFAULT_ROWS, help="comma-separated; default: " + DEFAULT_ROWS)
    p.add_argument("--also", default="", help="more rows: some of " + ", ".join(MORE_ROWS))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--edit-steps", type=int, default=20)
    p.add_argument("--part-steps", type=int, default=3, help="steady steps or calls per figure")
    p.add_argument("--slow-steps", type=int, default=1,
                   help="steady steps of stable-diffusion.cpp; its edit is extended to --edit-steps")
    p.add_argument("--size", type=int, default=512)
    p.add_argument("--json", help="file for every sample")
    args = p.parse_args()
    args.batch, args.parts = 1, "step,control,decode,encode"
    names = args.rows.split(",")
    for more in filter(None, args.also.split(",")):
        names += MORE_ROWS[more].split(",")
    args.rows = [engines.Row(n) for n in dict.fromkeys(names)]
    return args


def main():
    args = parse()
    results, skipped = {row.name: [] for row in args.rows}, {}
    with tempfile.TemporaryDirectory() as folder:
        args.image = picture(folder, args.size)
        for number in range(args.rounds):
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
            for row in args.rows:
                if row.name in skipped:
                    continue
                try:
                    results[row.name].append(measure(args, row))
                except Failed as e:
                    skipped[row.name] = str(e)
                    print(f"  {row.name} is left out: {e}", file=sys.stderr, flush=True)
                if args.json:
                    with open(args.json, "w", encoding="utf-8") as f:
                        json.dump({"samples": results, "left out": skipped}, f, indent=1)
    print_table(results, args.rounds)
    for name, why in skipped.items():
        print(f"\n{name} is left out: {why}")


if __name__ == "__main__":
    main()
