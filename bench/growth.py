#!/usr/bin/env python3
"""How cost grows: seconds of a CFG step and of a decode by pixels a side (one picture) and by
pictures (512x512), `dedit` beside two rivals in turn on one checkpoint, and a plot. Engines as in
rivals/measure.py; needs matplotlib for the plot.

  bench/growth.py --dedit build/release/dedit --model sd15 --control sd15-cn --ir sd15-ir \\
      --json growth.json --plot growth.png
  bench/growth.py --from-json growth.json --plot growth.png

`dedit` makes the pictures of a batch one after another, so that its step for B pictures is B steps.
Stable Diffusion XL it recognises but does not run: bench_ops on shapes/sdxl_1024.json predicts a
step from its operations.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "rivals"))

import engines
from child import Failed

ROWS = "dedit-exact,dedit-auto,diffusers-f32,openvino-f32"


def dedit_point(args, row):
    side = str(args.size)
    with tempfile.TemporaryDirectory() as folder:
        run, ends = engines.dedit_job(
            args, row, "generate", os.path.join(folder, "x.png"), args.part_steps + 1, "--width",
            side, "--height", side, "--batch", str(args.batch))
    # As many events as steps where a batch is one call, `batch` times as many where it is several.
    calls = len(ends) / (args.part_steps + 1)
    return {"step": engines.median_step(ends) * calls, "peak": run.peak,
            "decode": engines.logged_seconds(run, r"([0-9.]+) s to decode", "the decoding")}


def point(args, row):
    if row.engine == "dedit":
        return dedit_point(args, row)
    if row.engine == "openvino":
        return engines.openvino(args, row)
    return engines.worker(args, row, args.python_torch, "torch_worker.py",
                          *(["--compile"] if row.engine == "compile" else []))


def measure(args):
    points = [(int(s), 1) for s in args.sizes.split(",")]
    points += [(512, int(b)) for b in args.batches.split(",")]
    rows, samples = [engines.Row(n) for n in args.rows.split(",")], []
    for number in range(args.rounds):
        for args.size, args.batch in dict.fromkeys(points):
            for row in rows:
                try:
                    figures = point(args, row)
                except Failed as e:
                    print(f"{row.name} at {args.size}, batch {args.batch}: left out: {e}",
                          file=sys.stderr, flush=True)
                    continue
                samples.append({"row": row.name, "size": args.size, "batch": args.batch,
                                "figures": figures})
                print(f"round {number + 1}: {row.name}, {args.size} pixels, batch {args.batch}: "
                      f"step {figures['step']:.2f} s, decode {figures['decode']:.2f} s, "
                      f"peak {figures['peak']:.1f} GiB", file=sys.stderr, flush=True)
                if args.json:
                    with open(args.json, "w", encoding="utf-8") as f:
                        json.dump(samples, f, indent=1)
    return samples


def curve(samples, row, figure, by):
    """-> xs, medians: by "size" at batch 1, or by "batch" at 512 pixels"""
    fixed = ("batch", 1) if by == "size" else ("size", 512)
    values = {}
    for s in samples:
        if s["row"] == row and s[fixed[0]] == fixed[1]:
            values.setdefault(s[by], []).append(s["figures"][figure])
    return sorted(values), [statistics.median(values[x]) for x in sorted(values)]


def print_tables(samples):
    rows = list(dict.fromkeys(s["row"] for s in samples))
    for figure, by in (("step", "size"), ("decode", "size"), ("peak", "size"), ("step", "batch"),
                       ("decode", "batch")):
        xs = sorted({x for row in rows for x in curve(samples, row, figure, by)[0]})
        print(f"\n{figure}, {'GiB' if figure == 'peak' else 'seconds'}, by "
              + ("pixels a side" if by == "size" else "pictures at 512x512") + "\n")
        print("| | " + " | ".join(map(str, xs)) + " |")
        print("| --- |" + " --- |" * len(xs))
        for row in rows:
            known = dict(zip(*curve(samples, row, figure, by)))
            print(f"| {row} | " + " | ".join(
                f"{known[x]:.2f}" if x in known else "-" for x in xs) + " |")


def plot(samples, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    panels = ((axes[0], "step", "size", "pixels a side", "seconds per CFG step"),
              (axes[1], "decode", "size", "pixels a side", "seconds per decode"),
              (axes[2], "step", "batch", "pictures at 512x512", "seconds per CFG step of all"))
    for axis, what, by, x_name, y_name in panels:
        for row in dict.fromkeys(s["row"] for s in samples):
            xs, ys = curve(samples, row, what, by)
            axis.plot(xs, ys, marker="o", label=row,
                      linewidth=2.2 if row.startswith("dedit") else 1.2)
        axis.set(xlabel=x_name, ylabel=y_name, xscale="log", yscale="log")
        ticks = sorted({s[by] for s in samples})
        axis.set_xticks(ticks, [str(t) for t in ticks])
        axis.minorticks_off()
        axis.grid(alpha=0.3, which="both")
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=110)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--model", help="diffusers folder")
    p.add_argument("--control", help="ControlNet's diffusers folder (OpenVINO converts it too)")
    p.add_argument("--python-torch")
    p.add_argument("--python-openvino")
    p.add_argument("--ir", help="folder of OpenVINO's converted networks")
    p.add_argument("--rows", default=ROWS)
    p.add_argument("--sizes", default="256,512,768,1024")
    p.add_argument("--batches", default="1,2,4")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--part-steps", type=int, default=2, help="steady steps or calls per figure")
    p.add_argument("--json", help="file for every sample")
    p.add_argument("--from-json", help="samples of an earlier run; nothing is measured")
    p.add_argument("--plot", help="PNG")
    args = p.parse_args()
    args.image, args.edit_steps, args.parts = "", 0, "step,decode"
    if args.from_json:
        with open(args.from_json, encoding="utf-8") as f:
            samples = json.load(f)
    elif args.model and args.control:
        samples = measure(args)
    else:
        p.error("give --model and --control, or --from-json")
    print_tables(samples)
    if args.plot:
        plot(samples, args.plot)


if __name__ == "__main__":
    main()
