#!/usr/bin/env python3
"""Seconds per CFG step, per ControlNet pass and per VAE decode at 512x512, `dedit` beside diffusers
on the same checkpoint in the same run, taken in turn; medians. Needs torch and diffusers.

  tools/make_random_sd15.py --layout diffusers --dtype f16 --out sd15 --controlnet sd15-cn
  bench/rivals/diffusers_sd15.py --dedit build/release/dedit --model sd15 --control sd15-cn

The machine should have nothing else to do: the ratio holds, the seconds do not.
"""

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import tempfile
import time

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel


def dedit_times(args, precision, folder):
    """-> step, ControlNet pass (by difference), decode."""
    picture = os.path.join(folder, "x.png")
    base = [args.dedit, "generate", "--model", args.model, "--prompt", "a cat", "--scheduler",
            "ddim", "--precision", precision, "--width", "512", "--height", "512", "-o", picture]

    def times(*more):
        run = subprocess.run([*base, "--steps", str(args.steps), "--progress", "json", "-v", *more],
                             capture_output=True, text=True, check=True)
        done = [json.loads(l)["seconds"] for l in run.stderr.splitlines() if l.startswith("{")]
        step = statistics.median(b - a for a, b in zip(done, done[1:]))
        return step, float(re.search(r"([0-9.]+) s to decode", run.stderr)[1])

    plain, decode = times()
    controlled, _ = times("--control-model", args.control, "--control-image", picture)
    return plain, controlled - plain, decode


class Reference:
    def __init__(self, args, dtype):
        load = dict(torch_dtype=dtype)
        layout = dict(memory_format=torch.channels_last)
        self.unet = UNet2DConditionModel.from_pretrained(args.model, subfolder="unet",
                                                         **load).to(**layout)
        self.control = ControlNetModel.from_pretrained(args.control, **load).to(**layout)
        self.vae = AutoencoderKL.from_pretrained(args.model, subfolder="vae", **load).to(**layout)
        self.x = torch.randn(2, 4, 64, 64, dtype=dtype)
        self.context = torch.randn(2, 77, 768, dtype=dtype)
        self.hint = torch.rand(2, 3, 512, 512, dtype=dtype)

    @torch.no_grad()
    def times(self):
        calls = (lambda: self.unet(self.x, 500, self.context),
                 lambda: self.control(self.x, 500, self.context, self.hint),
                 lambda: self.vae.decode(self.x[:1]))
        out = []
        for call in calls:
            begin = time.time()
            call()
            out.append(time.time() - begin)
        return tuple(out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--model", required=True)
    p.add_argument("--control", required=True)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--steps", type=int, default=4)
    args = p.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            for precision in ("exact", "auto"):
                rows.setdefault("dedit " + precision, []).append(
                    dedit_times(args, precision, folder))
            for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
                reference = Reference(args, dtype)
                reference.times()  # the first call plans
                rows.setdefault("diffusers " + name, []).append(reference.times())
                del reference
    print(f"{'':16} {'CFG step':>10} {'ControlNet':>10} {'decode':>10}   s, medians of {args.rounds}")
    for name, times in rows.items():
        print(f"{name:16}", *(f"{statistics.median(t):10.2f}" for t in zip(*times)))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"largest dedit process: {peak:.1f} GiB")


if __name__ == "__main__":
    main()
