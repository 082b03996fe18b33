"""Draws a sheet of samples from an exported folder, with stock diffusers.

Without --control: one row of pictures per prompt.  With --control: each row
takes the Canny edges of a freshly composed picture (shown first, with its
edges), once with its caption and once with another prompt.
"""
import argparse

import numpy as np
import torch
from PIL import Image, ImageDraw

import common
from data import BACKGROUNDS, Composer, EmojiSet, an, edge_map, held_out

PROMPTS = ("a red apple on a blue background", "a green apple on a white background", "a cat",
           "a dog on a green background", "a blue car on a yellow background", "a yellow star on a purple background",
           "a house on a light blue background", "a tree on a white background",
           "a pink heart on a black background", "a cat and a dog on a white background")


def held_out_prompts(emoji, n, rng):
    """Prompts for (thing, colour, background) triples that training left out."""
    every = [(w[0], c, bg) for w, looks in emoji.things for c in looks for bg in BACKGROUNDS
             if held_out(w[0], c, bg) and c != bg]
    picked = [every[i] for i in rng.permutation(len(every))[:n]]
    return [f"{an(f'{c} {w}' if c else w)} on {an(bg)} background" for w, c, bg in picked]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--out", required=True, help="PNG to write")
    p.add_argument("--emoji", default="", help="artwork folder (for --held-out and --control)")
    p.add_argument("--prompt", action="append", default=[])
    p.add_argument("--held-out", type=int, default=0, help="add so many held-out prompts")
    p.add_argument("--control", type=int, default=0, help="draw so many edge-guided rows instead")
    p.add_argument("--limit", type=int, default=0, help="only the first so many things, as in training")
    p.add_argument("--columns", type=int, default=4)
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--guidance", type=float, default=5.0)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--cell", type=int, default=144)
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--threads", type=int, default=0)
    args = p.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline
    pipe = StableDiffusionPipeline.from_pretrained(args.model)
    if args.control:
        net = ControlNetModel.from_pretrained(args.model, subfolder="controlnet-canny")
        pipe = StableDiffusionControlNetPipeline(**pipe.components, controlnet=net)
    pipe.to(args.device, torch.float32).set_progress_bar_config(disable=True)
    settings = dict(num_inference_steps=args.steps, guidance_scale=args.guidance)
    generators = lambda n: [torch.Generator().manual_seed(args.seed + i) for i in range(n)]

    rows = []
    if args.control:
        composer = Composer(EmojiSet(args.emoji, limit=args.limit), args.seed + 777)
        for k in range(args.control):
            picture, caption = composer.captioned()
            edges = edge_map(picture)
            lines = Image.fromarray(np.repeat(edges[..., None], 3, 2))
            cells = [Image.fromarray(picture), lines]
            prompts = [caption, args.prompt[k % len(args.prompt)] if args.prompt else "", caption]
            for prompt, strength in zip(prompts, (1.0, 1.0, 0.0)):
                cells += pipe(prompt, image=lines, generator=generators(1),
                              controlnet_conditioning_scale=strength, **settings).images
            rows.append((f"{caption} | {prompts[1]} | no control", cells))
    else:
        prompts = args.prompt or list(PROMPTS)
        if args.held_out:
            prompts += held_out_prompts(EmojiSet(args.emoji, limit=args.limit), args.held_out, np.random.default_rng(args.seed))
        for prompt in prompts:
            rows.append((prompt, pipe([prompt] * args.columns, generator=generators(args.columns), **settings).images))

    side, width = args.cell, max(len(c) for _, c in rows)
    sheet = Image.new("RGB", (width * side, len(rows) * (side + 14)), "white")
    draw = ImageDraw.Draw(sheet)
    for y, (label, cells) in enumerate(rows):
        draw.text((3, y * (side + 14)), label, fill="black")
        for x, cell in enumerate(cells):
            sheet.paste(cell.resize((side, side)), (x * side, y * (side + 14) + 14))
    sheet.save(args.out)


if __name__ == "__main__":
    main()
