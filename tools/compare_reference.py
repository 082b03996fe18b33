#!/usr/bin/env python3
"""Compare `dedit` with diffusers on the same checkpoint, seeds and inputs.

Runs three jobs (a ControlNet on given edges, img2img, inpainting) with the
binary in f32 and with diffusers in float32 and float64 on the CPU, and prints
max|a - b| / max|b| for
  the text states,
  every module that the binary traces in the first step, worst per network,
  the VAE's moments, and its decoding of the binary's own final latents,
  the final latents.
Columns: dedit against float32, dedit against float64, float32 against float64
(the reference's own rounding). Exit status 1 if a final figure of dedit is over
--bound.

Checkpoints are diffusers folders; make_random_sd15.py writes full-size ones:

  tools/make_random_sd15.py --layout diffusers --out sd15 --controlnet sd15-cn
  tools/compare_reference.py --dedit build/dedit --model sd15 --control sd15-cn
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from unittest import mock

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

import golden_models as gm
import record_golden as rg

SEED = 11
JOBS = {
    "canny": dict(scheduler="ddim", hints=[23], scales=[1.0]),
    "img2img": dict(scheduler="dpmpp_2m", strength=0.6),
    "inpaint": dict(scheduler="euler", strength=1.0, mask=[40, 24, 120, 150]),
}

# Modules with a line of their own.
SHOWN = ("unet.conv_out", "controlnet.controlnet_mid_block", "vae.moments", "vae.decoded")


class Folder:
    """A checkpoint's networks in one precision."""

    def __init__(self, model, control, dtype):
        load = dict(torch_dtype=dtype)
        self.modules = {
            "text_encoder": CLIPTextModel.from_pretrained(model, subfolder="text_encoder",
                                                          dtype=dtype),
            "unet": UNet2DConditionModel.from_pretrained(model, subfolder="unet", **load),
            "vae": AutoencoderKL.from_pretrained(model, subfolder="vae", **load),
            "controlnet": ControlNetModel.from_pretrained(control, **load),
        }
        with open(os.path.join(model, "scheduler", "scheduler_config.json"),
                  encoding="utf-8") as f:
            self.scheduler = json.load(f)
        self.dtype = dtype

    def module(self, component):
        return self.modules[component].eval()

    def context(self, prompts):
        return torch.cat([self.module("text_encoder")(rg.token_ids(p))[0] for p in prompts])


class Watch:
    """First outputs of the modules that a trace names ("unet.down_blocks.0.resnets.1")."""

    ALIASES = {"vae.moments": "vae.quant_conv", "vae.decoded": "vae.decoder"}

    def __init__(self, folder, names):
        self.outputs, self.hooks = {}, []
        for name in names:
            network, _, path = self.ALIASES.get(name, name).partition(".")
            if network not in folder.modules or network == "text_encoder":
                continue
            modules = dict(folder.module(network).named_modules())
            if path in modules:
                self.hooks.append(modules[path].register_forward_hook(self.keeper(name)))

    def keeper(self, name):
        def keep(_module, _args, output):
            output = output[0] if isinstance(output, tuple) else output
            self.outputs.setdefault(name, output.detach().clone())

        return keep

    def close(self):
        for hook in self.hooks:
            hook.remove()
        return self.outputs


def error(a, b):
    a, b = a.double(), b.double()
    if a.shape != b.shape and a.shape[0] == 1:  # what depends on no row is traced once
        b = b[:1]
    return float((a - b).abs().max() / b.abs().max()) if a.shape == b.shape else float("nan")


class Bench:
    def __init__(self, args, work):
        self.args, self.work, self.failed = args, work, False
        self.size = (args.size, args.size)
        width, height = self.size
        Image.fromarray(gm.picture(width, height)).save(self.path("picture.png"))
        self.noise = torch.randn((1, 4, height // 8, width // 8),
                                 generator=torch.Generator().manual_seed(SEED))
        save_file({"latents": self.noise}, self.path("noise.safetensors"))

    def path(self, name):
        return os.path.join(self.work, name)

    def run_dedit(self, name, job):
        """-> final latents, trace of the first step"""
        a, (width, height) = self.args, self.size
        command = [a.dedit, "inpaint" if "mask" in job else
                   "img2img" if "strength" in job else "generate",
                   "--model", a.model, "--prompt", rg.PROMPTS[0], "--negative-prompt",
                   rg.PROMPTS[1], "--truncate", "--steps", str(job["steps"]), "--guidance", "7.5",
                   "--seed", str(SEED), "--scheduler", job["scheduler"], "--dtype", "f32",
                   "--progress", "none", "-q", "-o", self.path(name + ".png"),
                   "--save-latents", self.path(name + ".latents"),
                   "--trace", self.path(name + ".trace")]
        if "strength" in job:
            command += ["--image", self.path("picture.png"), "--strength", str(job["strength"])]
        else:
            command += ["--width", str(width), "--height", str(height),
                        "--latents", self.path("noise.safetensors")]
        if "mask" in job:
            mask = gm.box_mask(width, height, job["mask"])
            Image.fromarray(mask).save(self.path("mask.png"))
            command += ["--mask", self.path("mask.png"), "--mask-rule", "nearest"]
        if "hints" in job:
            Image.fromarray(gm.hint(width, height, job["hints"][0])).save(self.path("hint.png"))
            command += ["--control-model", a.control, "--control-image", self.path("hint.png"),
                        "--control-scale", str(job["scales"][0])]
        subprocess.run(command, check=True)
        return (load_file(self.path(name + ".latents"))["latents"],
                load_file(self.path(name + ".trace")))

    def run_reference(self, folder, job, latents, trace):
        """-> what dedit's trace holds, by its names, and the final latents"""
        context = folder.context(rg.PROMPTS)
        watch = Watch(folder, [n for n in trace if n != "vae.decoded"])
        more = {} if "strength" in job else {"latents": self.noise.to(folder.dtype)}
        final = rg.run_job(folder, job, context, SEED, self.size, **more)[-1:]
        outputs = watch.close()
        outputs["text states"] = context.flip(0)  # dedit has the negative prompt's row first
        vae = folder.module("vae")
        outputs["vae.decoded"] = vae.decode(
            latents.to(folder.dtype) / vae.config.scaling_factor).sample
        outputs["final latents"] = final
        return outputs

    def report(self, name, ours, single, double):
        print(f"\n{name + ':':54} dedit-f32" + ("   dedit-f64     f32-f64" if double else ""))
        rows = {}
        for key in ours.keys() & single.keys():
            figures = [error(ours[key], single[key])]
            if double:
                figures += [error(ours[key], double[key]), error(single[key], double[key])]
            network = key.split(".")[0]
            label = key if "." not in key or key in SHOWN else f"{network}, worst module"
            worst = rows.get(label)
            if worst is None or not figures[0] <= worst[1][0]:
                rows[label] = (key, figures)
        for label in sorted(rows):
            key, figures = rows[label]
            what = label if label == key else f"{label}: {key}"
            print(f"  {what:52}" + "".join(f"{f:10.1e}  " for f in figures).rstrip())
            self.failed |= not figures[0] <= self.args.bound

    def run(self, name):
        job = dict(JOBS[name], steps=self.args.steps)
        if "mask" in job:  # boxes are given for 256 x 256
            job["mask"] = [v * self.args.size // 256 for v in job["mask"]]
        latents, trace = self.run_dedit(name, job)
        ours = dict(trace, **{"final latents": latents, "text states": trace["context"]})
        dtypes = (torch.float32,) if self.args.no_float64 else (torch.float32, torch.float64)
        outputs = []
        for dtype in dtypes:
            folder = Folder(self.args.model, self.args.control, dtype)
            with mock.patch("torch.randn", rg.single_precision_draws(torch.randn)):
                outputs.append(self.run_reference(folder, job, latents, trace))
        self.report(name, ours, outputs[0], outputs[1] if len(outputs) > 1 else None)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--dedit", default="dedit", help="the binary")
    p.add_argument("--model", required=True, help="diffusers folder")
    p.add_argument("--control", required=True, help="ControlNet's diffusers folder")
    p.add_argument("--size", type=int, default=256, help="pixels per side (default 256)")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--jobs", default=",".join(JOBS), help="some of " + ", ".join(JOBS))
    p.add_argument("--no-float64", action="store_true", help="float32 reference only")
    p.add_argument("--bound", type=float, default=1e-3, help="largest error allowed (1e-3)")
    p.add_argument("--threads", type=int, default=0, help="of torch (default: its own choice)")
    args = p.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # a full-size job takes minutes
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_grad_enabled(False)
    if args.threads:
        torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(args, work)
        for name in args.jobs.split(","):
            bench.run(name)
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
