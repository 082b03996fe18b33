#!/usr/bin/env python3
"""Re-measures for every class of arithmetic how far `dedit` is from the reference, and what each
class costs a picture.

  networks   tools/compare_reference.py's jobs on one checkpoint, every class beside one float32 run
             of diffusers: text states, worst module of each network, decoding, final latents,
             max|a - b| / max|b|
  pictures   PSNR of the mini model's pictures of each class against `exact`, over seeds; with
             --sheet the pictures side by side

  bench/agreement_classes.py --dedit build/release/dedit --model sd15 --control sd15-cn
  bench/agreement_classes.py --dedit build/release/dedit --pictures-only --sheet classes.png

Classes: NAME[:CAP], a --precision (exact, auto, fast) or a --dtype (f32, bf16, f16) and a cap of the
instruction set (avx2, avx512, avx512_bf16, amx). Needs torch, diffusers, transformers, pillow.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageDraw

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
CLASSES = "exact,auto,bf16,exact:avx512,exact:avx2,auto:avx512,auto:avx2"
PROMPTS = ("a red apple on a blue background", "a cat on a green background",
           "a yellow star on a purple background", "a blue car on a white background",
           "a house on a light blue background")


def flags(name):
    """-> options of dedit, environment"""
    kind, _, cap = name.partition(":")
    option = "--precision" if kind in ("exact", "auto", "fast") else "--dtype"
    return [option, kind], {**os.environ, **({"DEDIT_MAX_ISA": cap} if cap else {})}


# --- networks -------------------------------------------------------------------------------------

def compare_networks(args):
    sys.path.insert(0, os.path.join(ROOT, "tools"))
    import torch
    import compare_reference as cr
    from unittest import mock

    torch.set_grad_enabled(False)
    if args.threads:
        torch.set_num_threads(args.threads)

    class ClassBench(cr.Bench):
        def run_class(self, job, name):
            options, environment = flags(name)
            real = subprocess.run

            def run(command, **more):
                at = command.index("--dtype")
                return real(command[:at] + options + command[at + 2:], env=environment, **more)

            with mock.patch("subprocess.run", run):
                latents, trace = self.run_dedit("job", job)
            return dict(trace, **{"final latents": latents, "text states": trace["context"]})

    is_over = False
    with tempfile.TemporaryDirectory() as work:
        bench = ClassBench(args, work)
        for job_name in args.jobs.split(","):
            job = dict(cr.JOBS[job_name], steps=args.steps)
            if "mask" in job:  # boxes are given for 256 x 256
                job["mask"] = [v * args.size // 256 for v in job["mask"]]
            ours = {name: bench.run_class(job, name) for name in args.classes.split(",")}
            first = next(iter(ours.values()))
            folder = cr.Folder(args.model, args.control, torch.float32)
            with mock.patch("torch.randn", cr.rg.single_precision_draws(torch.randn)):
                theirs = bench.run_reference(folder, job, first["final latents"], first)
            vae = folder.module("vae")
            for name, outputs in ours.items():  # each class's own latents, decoded by the reference
                theirs["vae.decoded"] = vae.decode(
                    outputs["final latents"] / vae.config.scaling_factor).sample
                bench.report(f"{job_name}, {name}", outputs, theirs, None)
                if name.startswith(("exact", "f32")):
                    is_over |= bench.failed
                bench.failed = False
    return is_over


# --- pictures -------------------------------------------------------------------------------------

def psnr(a, b):
    error = np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2)
    return 10 * np.log10(255**2 / error) if error else float("inf")


def mini_picture(args, folder, name, seed):
    options, environment = flags(name)
    path = os.path.join(folder, "x.png")
    job = ["generate"]
    if seed % 2:  # every other one an edit of a picture under its edges
        job = ["canny", "--image", os.path.join(ROOT, "examples", "pictures", "apple.png")]
    subprocess.run([args.dedit, *job, "--prompt", PROMPTS[seed % len(PROMPTS)], "--seed", str(seed),
                    "--steps", str(args.steps), *options, "-q", "-o", path], check=True,
                   env=environment)
    return Image.open(path).convert("RGB")


def compare_pictures(args):
    names = args.classes.split(",")
    with tempfile.TemporaryDirectory() as folder:
        exact = [mini_picture(args, folder, "exact", s) for s in range(args.seeds)]
        made = {n: [mini_picture(args, folder, n, s) for s in range(args.seeds)] for n in names}
    print(f"\nPSNR of the mini model's pictures against exact, dB, {args.seeds} seeds, "
          f"{args.steps} steps\n\n| class | median | lowest |\n| --- | --- | --- |")
    for name, pictures in made.items():
        db = [psnr(a, b) for a, b in zip(exact, pictures)]
        text = [("the same" if v == float("inf") else f"{v:.1f}")
                for v in (statistics.median(db), min(db))]
        print(f"| {name} | {text[0]} | {text[1]} |", flush=True)
    if args.sheet:
        sheet(args, exact, made)


def sheet(args, exact, made):
    side, shown = exact[0].width, min(args.seeds, 6)
    rows = {"exact": exact, **{n: p for n, p in made.items() if n != "exact"}}
    page = Image.new("RGB", (110 + side * shown, side * len(rows)), "white")
    for y, (name, pictures) in enumerate(rows.items()):
        ImageDraw.Draw(page).text((6, y * side + side // 2), name, fill="black")
        for x, picture in enumerate(pictures[:shown]):
            page.paste(picture, (110 + x * side, y * side))
    page.save(args.sheet)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--model", help="diffusers folder")
    p.add_argument("--control", help="ControlNet's diffusers folder")
    p.add_argument("--classes", default=CLASSES)
    p.add_argument("--jobs", default="canny,img2img,inpaint")
    p.add_argument("--size", type=int, default=256, help="pixels a side of the networks' jobs")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--seeds", type=int, default=10, help="pictures of each class")
    p.add_argument("--bound", type=float, default=1e-3, help="largest error of exact classes (1e-3)")
    p.add_argument("--threads", type=int, default=0, help="of torch")
    p.add_argument("--sheet", help="PNG of the classes' pictures")
    p.add_argument("--pictures-only", action="store_true")
    args = p.parse_args()
    args.no_float64 = True
    if not args.pictures_only and not (args.model and args.control):
        p.error("give --model and --control, or --pictures-only")
    compare_pictures(args)
    return 1 if not args.pictures_only and compare_networks(args) else 0


if __name__ == "__main__":
    sys.exit(main())
