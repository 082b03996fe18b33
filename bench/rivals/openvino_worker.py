#!/usr/bin/env python3
"""One process of OpenVINO: a canny edit from start to picture, then the networks one by one.
Prints one JSON line; `measure.py` starts it. `--convert` writes the networks (f16 weights) to --ir
first, from diffusers' modules; measuring needs neither torch nor diffusers."""

import argparse
import json
import os
import statistics

import numpy as np
import openvino as ov

from worker_common import add_common_arguments, canny_map, clock, peak_gib, steady, text_width


def convert(args):
    import torch
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from transformers import CLIPTextModel

    class Wrap(torch.nn.Module):
        def __init__(self, module, call):
            super().__init__()
            self.module, self.call = module.eval(), call

        def forward(self, *inputs):
            return self.call(self.module, *inputs)

    load = dict(torch_dtype=torch.float32)
    x, t = torch.randn(2, 4, 64, 64), torch.tensor(500)
    context = torch.randn(2, 77, text_width(args.model))
    hint = torch.rand(2, 3, 512, 512)

    def save(name, module, call, *inputs):
        path = os.path.join(args.ir, name + ".xml")
        if os.path.exists(path):
            return
        with torch.no_grad():
            model = ov.convert_model(Wrap(module, call), example_input=inputs)
        ov.save_model(model, path, compress_to_fp16=True)
        print("wrote", path, flush=True)

    os.makedirs(args.ir, exist_ok=True)
    control = ControlNetModel.from_pretrained(args.control, **load)
    with torch.no_grad():
        down, mid = control(x, t, context, hint, return_dict=False)

    def run_control(m, *a):
        residuals, middle = m(*a, return_dict=False)
        return (*residuals, middle)

    save("control", control, run_control, x, t, context, hint)
    del control
    unet = UNet2DConditionModel.from_pretrained(args.model, subfolder="unet", **load)
    save("unet", unet, lambda m, *a: m(*a, return_dict=False)[0], x, t, context)
    save("unet_controlled", unet,
         lambda m, x, t, c, *r: m(x, t, c, down_block_additional_residuals=r[:-1],
                                  mid_block_additional_residual=r[-1], return_dict=False)[0],
         x, t, context, *down, mid)
    del unet
    vae = AutoencoderKL.from_pretrained(args.model, subfolder="vae", **load)
    save("decoder", vae, lambda m, z: m.decode(z, return_dict=False)[0], x[:1])
    save("encoder", vae, lambda m, p: m.quant_conv(m.encoder(p)), hint[:1])
    text = CLIPTextModel.from_pretrained(args.model, subfolder="text_encoder", dtype=torch.float32,
                                         attn_implementation="eager")
    ids = torch.full((2, 77), 49407)
    save("text", text, lambda m, i: m(i, return_dict=False)[0], ids)


class Networks:
    def __init__(self, args):
        self.args, self.core = args, ov.Core()
        self.config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": args.dtype}
        if args.threads:
            self.config["INFERENCE_NUM_THREADS"] = args.threads

    def compile(self, name, *shapes):
        """-> the network as a function of its inputs, the shapes of its outputs"""
        model = self.core.read_model(os.path.join(self.args.ir, name + ".xml"))
        if shapes:
            model.reshape(dict(enumerate(shapes)))
        network = self.core.compile_model(model, "CPU", self.config)
        request = network.create_infer_request()
        return (lambda *inputs: list(request.infer(list(inputs), share_inputs=True).values()),
                [list(o.shape) for o in network.outputs])


def shapes(args, rows):
    side = args.size // 8
    return [rows, 4, side, side], [], [rows, 77, text_width(args.model)], [rows, 3, args.size, args.size]


def alphas():
    """Stable Diffusion's cumulative products."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return np.cumprod(1 - betas)


def edit(args, nets):
    """-> seconds between the ends of its steps, clock at the end of the first, seconds to decode.
    Every network is loaded before the first step, as a program that edits would."""
    import cv2

    latents, level, states, picture = shapes(args, 2)
    ids = np.full((2, 77), 49407, np.int64)
    ids[:, 0] = 49406
    context = nets.compile("text", [2, 77])[0](ids)[0]
    control, residual_shapes = nets.compile("control", latents, level, states, picture)
    unet, _ = nets.compile("unet_controlled", latents, level, states, *residual_shapes)
    decode, _ = nets.compile("decoder", [1, *latents[1:]])
    hint = np.repeat(canny_map(args.image, args.size), 2, axis=0)
    x = np.random.default_rng(1).standard_normal([1, *latents[1:]], dtype=np.float32)
    table, ends = alphas(), []
    times = (np.arange(args.steps) * (1000 // args.steps))[::-1] + 1
    for t in times:
        now, before = table[t], table[max(t - 1000 // args.steps, 0)]
        both, at = np.concatenate([x, x]), np.array(t, np.int64)
        residuals = control(both, at, context, hint)
        plain, prompted = np.split(unet(both, at, context, *residuals)[0], 2)
        eps = plain + 7.5 * (prompted - plain)
        clean = (x - (1 - now) ** 0.5 * eps) / now**0.5
        x = (before**0.5 * clean + (1 - before) ** 0.5 * eps).astype(np.float32)
        ends.append(clock())
    pixels = decode(x / np.float32(0.18215))[0][0]
    decoded = clock() - ends[-1]
    pixels = np.clip(np.nan_to_num(pixels) * 127.5 + 127.5, 0, 255).astype(np.uint8)
    cv2.imwrite(args.out, pixels.transpose(1, 2, 0)[..., ::-1])
    return [b - a for a, b in zip(ends, ends[1:])], ends[0], decoded


def time_part(args, nets, part):
    latents, level, states, picture = shapes(args, 2 * args.batch)
    draw = np.random.default_rng(0).standard_normal
    x, context = draw(latents, dtype=np.float32), draw(states, dtype=np.float32)
    hint, at = draw(picture, dtype=np.float32), np.array(500, np.int64)
    one = slice(0, args.batch)
    name, inputs = {"step": ("unet", (x, at, context)),
                    "control": ("control", (x, at, context, hint)),
                    "decode": ("decoder", (x[one],)),
                    "encode": ("encoder", (hint[one],))}[part]
    call, _ = nets.compile(name, *(list(i.shape) for i in inputs))
    return steady(lambda: call(*inputs), args.repeats)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    add_common_arguments(p)
    p.add_argument("--dtype", choices=("f32", "bf16", "f16"), default="f32")
    p.add_argument("--ir", required=True, help="folder of the converted networks")
    p.add_argument("--convert", action="store_true")
    args = p.parse_args()
    if args.convert:
        convert(args)
        return
    nets, result = Networks(args), {}
    if args.steps:
        steps, first, result["edit_decode"] = edit(args, nets)
        result["edit"] = clock() - args.began
        result["edit_step"] = statistics.median(steps)
        result["start"] = first - args.began - result["edit_step"]
    result["peak"] = peak_gib()
    for part in args.parts.split(","):
        result[part] = time_part(args, nets, part)
    if not args.steps:
        result["peak"] = peak_gib()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
