#!/usr/bin/env python3
"""dedit and PyTorch on one GPU in one run: one process at a time, in turn, round after round;
medians in milliseconds, and dedit's share of each rival's time.

  bench/rivals/measure_gpu.py --bench build/release/bench/bench_gpu --model sd15 --control sd15-cn

Needs Python 3.9, and torch with CUDA for the rivals' rows. Rows:
  dedit-bf16, dedit-f16  bench_gpu, see README.md
  torch-MODE             gpu_torch.py in a mode of its own: eager, graph, reduce-overhead,
                         max-autotune; torch-f16-MODE the same in f16 instead of bf16
Figures, 512x512 unless --size says another:
  step       a CFG step: two rows through the U-Net, guidance, solver
  edit_step  the same with a ControlNet; control: a ControlNet pass of two rows
  decode, encode    VAE, one picture
  sdxl_step  a CFG step of SDXL's U-Net at twice the size; dedit's is the sum of its operations
  edit_first, edit_again    a 20-step canny edit, the first of its process and a later one
  start      process start to the end of the first edit's first step, weights read from a warm cache
  peak       GiB of the GPU's memory
A program that takes longer than --limit seconds is ended; what it had measured by then counts. A
mode of torch.compile that gave no figure for a part is named with its reason.
"""

import argparse
import json
import os
import statistics
import sys
import time

from child import Failed, Run

HERE = os.path.dirname(os.path.abspath(__file__))
FIGURES = ("step", "edit_step", "control", "decode", "encode", "sdxl_step", "edit_first",
           "edit_again", "start", "peak")
DEFAULT_ROWS = "dedit-bf16,torch-eager,torch-graph,torch-reduce-overhead,torch-max-autotune"
MODES = ("eager", "graph", "reduce-overhead", "max-autotune")


def last_object(run, what):
    found = run.objects()
    if not found:
        why = f"was ended after {run.seconds:.0f} s" if run.was_cut_off else "printed no figures"
        raise Failed(f"{what} {why}")
    return found[-1][1]


def dedit(args, dtype, _):
    if not args.bench:
        raise Failed("no --bench BINARY")
    command = [args.bench, "--dtype", dtype, "--size", str(args.size), "--repeats",
               str(args.repeats)]
    for option, value in (("--model", args.model), ("--control", args.control),
                          ("--sdxl-shapes", args.sdxl_shapes)):
        if value:
            command += [option, value]
    return last_object(Run(command, limit_seconds=args.limit), "bench_gpu")["figures"], []


def torch_mode(args, dtype, mode):
    command = [args.python or sys.executable, os.path.join(HERE, "gpu_torch.py"), "--mode", mode,
               "--dtype", dtype, "--size", str(args.size), "--repeats", str(args.repeats),
               "--parts", args.parts]
    run = Run(command, limit_seconds=args.limit)
    result = last_object(run, "gpu_torch.py")
    notes = [f"{part}: {why}" for part, why in result["errors"].items()]
    if run.was_cut_off:
        notes.append(f"ended after {run.seconds:.0f} s")
    return result, notes


class Row:
    """dedit-DTYPE, torch-MODE or torch-DTYPE-MODE."""

    def __init__(self, name):
        engine, _, rest = name.partition("-")
        self.name, self.dtype, self.mode = name, "bf16", ""
        if engine == "dedit":
            self.measure, self.dtype = dedit, rest
        elif engine == "torch":
            self.measure, self.mode = torch_mode, rest
            if rest.startswith("f16-"):
                self.dtype, self.mode = "f16", rest[len("f16-"):]
        if engine not in ("dedit", "torch") or (self.mode and self.mode not in MODES):
            raise SystemExit(f"row {name} is none of dedit-DTYPE, torch-MODE, torch-f16-MODE; "
                             f"modes: {', '.join(MODES)}")


def medians(samples):
    return {f: statistics.median(s[f] for s in samples)
            for f in FIGURES if samples and all(f in s for s in samples)}


def shown(figure, value):
    if value is None:
        return "-"
    return f"{value:.2f}" if figure == "peak" else f"{value * 1e3:.2f}"


def print_table(table, rounds):
    print(f"\nMedians of {rounds}, milliseconds; peak in GiB\n")
    print("| | " + " | ".join(FIGURES) + " |")
    print("| --- |" + " --- |" * len(FIGURES))
    for name, row in table.items():
        print(f"| {name} | " + " | ".join(shown(f, row.get(f)) for f in FIGURES) + " |")
    theirs = [n for n in table if n.startswith("torch-")]
    for mine in (n for n in table if n.startswith("dedit-") and theirs):
        print(f"\n{mine}, share of each rival's figure\n")
        print("| of | " + " | ".join(FIGURES) + " |")
        print("| --- |" + " --- |" * len(FIGURES))
        for name in theirs:
            print(f"| {name} | " + " | ".join(
                f"{table[mine][f] / table[name][f]:.2f}"
                if f in table[mine] and f in table[name] else "-" for f in FIGURES) + " |")


def parse():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bench", help="the program bench_gpu")
    p.add_argument("--model", help="diffusers folder, for bench_gpu")
    p.add_argument("--control", help="ControlNet's diffusers folder, for bench_gpu")
    p.add_argument("--sdxl-shapes", default=os.path.join(HERE, "..", "shapes", "sdxl_1024.json"))
    p.add_argument("--python", help="interpreter with torch (this one)")
    p.add_argument("--rows", default=DEFAULT_ROWS, help="comma-separated; default: " + DEFAULT_ROWS)
    p.add_argument("--no-compile", action="store_true", help="leave out the rows of torch.compile")
    p.add_argument("--parts", default="step,edit_step,control,decode,encode,sdxl_step",
                   help="of the rivals, in this order")
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("--repeats", type=int, default=30)
    p.add_argument("--size", type=int, default=512)
    p.add_argument("--limit", type=float, default=900, help="seconds for each program")
    p.add_argument("--total", type=float, default=0,
                   help="seconds for all; a program is given what is left (0: no such bound)")
    p.add_argument("--json", help="file for every sample")
    args = p.parse_args()
    args.rows = [Row(n) for n in dict.fromkeys(args.rows.split(","))]
    if args.no_compile:
        args.rows = [row for row in args.rows if row.mode not in ("reduce-overhead", "max-autotune")]
    return args


def measure(args, row, began):
    """-> figures, notes; Failed where there is no time left"""
    if args.total:
        left = args.total - (time.time() - began)
        if left < 5:
            raise Failed(f"the {args.total:.0f} s were over")
        args.limit = min(args.limit, left)
    started = time.time()
    figures, notes = row.measure(args, row.dtype, row.mode)
    text = ", ".join(f"{f} {shown(f, figures[f])}" for f in FIGURES if f in figures)
    print(f"  {row.name}: {text} ({time.time() - started:.0f} s)", file=sys.stderr, flush=True)
    return figures, notes


def main():
    args, began = parse(), time.time()
    samples, notes = {row.name: [] for row in args.rows}, {}
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
        for row in args.rows:
            try:
                figures, said = measure(args, row, began)
                samples[row.name].append(figures)
            except Failed as e:
                said = [str(e)]
            if said:
                notes[row.name] = said
                print(f"  {row.name}: " + "; ".join(said), file=sys.stderr, flush=True)
            table = {name: medians(s) for name, s in samples.items() if s}
            if args.json:
                with open(args.json, "w", encoding="utf-8") as f:
                    json.dump({"medians": table, "samples": samples, "notes": notes}, f, indent=1)
    print_table(table, args.rounds)
    for name, said in notes.items():
        print(f"\n{name}: " + "; ".join(said))


if __name__ == "__main__":
    main()
