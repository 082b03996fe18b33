#!/usr/bin/env python3
"""One process of diffusers: a canny edit from start to picture, then the networks one by one.
Prints one JSON line; `measure.py` starts it. Random states stand in for a prompt's where the
checkpoint has no tokenizer; the text encoder runs all the same."""

import argparse
import json
import statistics

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel

from worker_common import add_common_arguments, canny_map, clock, peak_gib, steady, text_width

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


class Networks:
    def __init__(self, args, parts):
        self.dtype = DTYPES[args.dtype]
        self.compiles = args.compile
        load = dict(torch_dtype=self.dtype)
        self.unet = self.control = self.vae = self.text = None
        if "step" in parts:
            self.unet = self.ready(UNet2DConditionModel.from_pretrained(
                args.model, subfolder="unet", **load))
        if "control" in parts:
            self.control = self.ready(ControlNetModel.from_pretrained(args.control, **load))
        if "decode" in parts or "encode" in parts:
            self.vae = AutoencoderKL.from_pretrained(args.model, subfolder="vae", **load)
            self.vae = self.vae.to(memory_format=torch.channels_last).eval()
            self.encode, self.decode = (self.vae.encode, self.vae.decode)
            if self.compiles:
                self.encode, self.decode = map(torch.compile, (self.encode, self.decode))

    def ready(self, module):
        module = module.to(memory_format=torch.channels_last).eval()
        return torch.compile(module) if self.compiles else module


def edit(args, nets):
    """-> seconds between the ends of its steps, clock at the end of the first, seconds to decode"""
    text = CLIPTextModel.from_pretrained(args.model, subfolder="text_encoder", dtype=nets.dtype)
    ids = torch.full((2, 77), 49407)
    ids[:, 0] = 49406
    context = text(ids)[0]
    side = args.size // 8
    hint = torch.from_numpy(canny_map(args.image, args.size)).to(nets.dtype)
    hint = hint.repeat(2, 1, 1, 1)
    x = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(1)).to(nets.dtype)
    scheduler = DDIMScheduler.from_pretrained(args.model, subfolder="scheduler")
    scheduler.set_timesteps(args.steps)
    ends = []
    for t in scheduler.timesteps:
        both = torch.cat([x, x])
        down, mid = nets.control(both, t, context, hint, return_dict=False)
        raw = nets.unet(both, t, context, down_block_additional_residuals=down,
                        mid_block_additional_residual=mid).sample
        plain, prompted = raw.chunk(2)
        x = scheduler.step(plain + 7.5 * (prompted - plain), t, x).prev_sample
        ends.append(clock())
    picture = nets.decode(x / nets.vae.config.scaling_factor).sample
    decoded = clock() - ends[-1]
    pixels = (picture[0].float().clamp(-1, 1) * 127.5 + 127.5).byte().permute(1, 2, 0)
    Image.fromarray(np.ascontiguousarray(pixels.numpy())).save(args.out)
    return [b - a for a, b in zip(ends, ends[1:])], ends[0], decoded


def calls(args, nets):
    side, rows = args.size // 8, 2 * args.batch
    x = torch.randn(rows, 4, side, side, dtype=nets.dtype)
    context = torch.randn(rows, 77, text_width(args.model), dtype=nets.dtype)
    hint = torch.rand(rows, 3, args.size, args.size, dtype=nets.dtype)
    return {"step": lambda: nets.unet(x, 500, context),
            "control": lambda: nets.control(x, 500, context, hint),
            "decode": lambda: nets.decode(x[:args.batch]),
            "encode": lambda: nets.encode(hint[:args.batch])}


@torch.no_grad()
def main():
    p = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(p)
    p.add_argument("--dtype", choices=tuple(DTYPES), default="f32")
    p.add_argument("--compile", action="store_true")
    args = p.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    parts = args.parts.split(",")
    nets = Networks(args, parts)
    result = {}
    if args.steps:
        steps, first, result["edit_decode"] = edit(args, nets)
        result["edit"] = clock() - args.began
        result["edit_step"] = statistics.median(steps)
        result["start"] = first - args.began - result["edit_step"]
    result["peak"] = peak_gib()
    work = calls(args, nets)
    for part in parts:
        result[part] = steady(work[part], args.repeats)
    if not args.steps:
        result["peak"] = peak_gib()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
