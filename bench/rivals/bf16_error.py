#!/usr/bin/env python3
"""What bf16 costs a picture: PSNR of bf16 pictures against the same engine's f32 pictures, `dedit`
beside diffusers, from the same start noise. Needs torch, diffusers, transformers, safetensors,
pillow and numpy.

  bench/rivals/bf16_error.py --dedit build/release/dedit
"""

import argparse
import os
import statistics
import subprocess
import tempfile

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import save_file

MINI = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "mini")
PROMPTS = ("a red apple on a blue background", "a cat on a green background",
           "a yellow star on a purple background", "a blue car on a white background",
           "a house on a light blue background")


def psnr(a, b):
    error = np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2)
    return 10 * np.log10(255**2 / max(error, 1e-9))


def dedit_pictures(args, noise_of, folder, dtype):
    for seed in range(args.seeds):
        noise = os.path.join(folder, "noise.safetensors")
        save_file({"latents": noise_of(seed)}, noise)
        picture = os.path.join(folder, "x.png")
        subprocess.run([args.dedit, "generate", "--model", args.model, "--latents", noise, "--prompt",
                        PROMPTS[seed % len(PROMPTS)], "--steps", str(args.steps), "--scheduler", "ddim",
                        "--dtype", dtype, "--width", str(args.size), "--height", str(args.size),
                        "-q", "-o", picture], check=True)
        yield Image.open(picture).convert("RGB")


@torch.no_grad()
def diffusers_pictures(args, noise_of, dtype):
    pipe = StableDiffusionPipeline.from_pretrained(args.model, torch_dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    for seed in range(args.seeds):
        yield pipe(PROMPTS[seed % len(PROMPTS)], latents=noise_of(seed).to(dtype),
                   num_inference_steps=args.steps, width=args.size, height=args.size).images[0]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--dedit", default="dedit")
    p.add_argument("--model", default=MINI)
    p.add_argument("--seeds", type=int, default=20)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--size", type=int, default=256)
    args = p.parse_args()
    side = args.size // 8
    noise_of = lambda seed: torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(seed))
    with tempfile.TemporaryDirectory() as folder:
        ours = [list(dedit_pictures(args, noise_of, folder, d)) for d in ("f32", "bf16")]
    theirs = [list(diffusers_pictures(args, noise_of, d)) for d in (torch.float32, torch.bfloat16)]
    for name, (exact, rounded) in (("dedit", ours), ("diffusers", theirs)):
        db = [psnr(a, b) for a, b in zip(exact, rounded)]
        print(f"{name:10} bf16 against f32: median {statistics.median(db):.2f} dB, "
              f"lowest {min(db):.2f}, highest {max(db):.2f}, {args.seeds} seeds")
    db = [psnr(a, b) for a, b in zip(ours[0], theirs[0])]
    print(f"dedit f32 against diffusers f32: median {statistics.median(db):.2f} dB")


if __name__ == "__main__":
    main()
