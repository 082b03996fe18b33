#!/usr/bin/env python3
"""Record golden numbers of tiny models and whole jobs from diffusers (float32, CPU).

Writes to tests/data/golden, for each config of golden_models.py,
  <config>.json               component configs, tensor names and shapes, seed
  <config>.safetensors        outputs of the networks on inputs by the same rule
and for the config of Stable Diffusion 1.5's structure
  sd15_jobs.safetensors       latents after every step of whole jobs
  sd15_jobs.json              what each job asks for

Network inputs, named for the rule "<config>.<input>": unet.sample, unet.context,
control.hint (as 0.5 + x / 3), vae.image, vae.latents. Rows of a batch are rows
of the input. Token ids are in the metadata, as is "error:<tensor>": the float32
reference's own distance from float64, max|a - b| / max|b|.

--checkpoints DIR writes the models themselves, in both layouts.
"""

import argparse
import json
import os
import sys
from unittest import mock

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler,
                       PNDMScheduler)
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import save_file

import golden_models as gm

PROMPTS = ["a watercolour of a living room", "red armchair, 4k photo's"]
TIMESTEP = 481
BOS, EOS = 49406, 49407


def token_ids(prompt):
    ids = [BOS] + SimpleTokenizer().encode(prompt)[:75] + [EOS]
    return torch.tensor([ids + [EOS] * (77 - len(ids))])


def network_outputs(model, dtype):
    """Every network of a config on the rule's inputs."""
    def given(name, shape):
        return gm.values(f"{model.name}.{name}", shape).to(dtype)

    m = {c: model.module(c).to(dtype) for c in ("text_encoder", "unet", "vae", "controlnet")}
    h, w = model.config["latent"]
    context = given("unet.context", (2, 77, model.config["unet"]["cross_attention_dim"]))
    sample = given("unet.sample", (2, 4, h, w))
    hint = 0.5 + given("control.hint", (1, 3, 8 * h, 8 * w)) / 3
    cells = (3, 5)
    factor = 2 ** (len(model.config["vae"]["block_out_channels"]) - 1)
    out = {}
    for i, prompt in enumerate(PROMPTS):
        out[f"text_encoder.{i}"] = m["text_encoder"](token_ids(prompt))[0]
    out["unet"] = m["unet"](sample, TIMESTEP, context).sample
    down, mid = m["controlnet"](sample[:1], TIMESTEP, context[:1], hint, return_dict=False)
    for i, residual in enumerate(down):
        out[f"controlnet.down.{i}"] = residual
    out["controlnet.mid"] = mid
    out["unet.controlled"] = m["unet"](
        sample[:1], TIMESTEP, context[:1], down_block_additional_residuals=down,
        mid_block_additional_residual=mid).sample
    image = given("vae.image", (2, 3, factor * cells[0], factor * cells[1]))
    out["vae.moments"] = m["vae"].encode(image).latent_dist.parameters
    out["vae.decoded"] = m["vae"].decode(given("vae.latents", (2, 4, *cells))).sample
    return {k: v.detach().clone() for k, v in out.items()}


def record_networks(model, folder):
    exact = network_outputs(model, torch.float64)
    single = network_outputs(model, torch.float32)
    metadata = errors(single, exact) | versions() | {
        "timestep": str(TIMESTEP), "prompts": json.dumps(PROMPTS),
        "ids": json.dumps([token_ids(p)[0].tolist() for p in PROMPTS])}
    return save(os.path.join(folder, model.name + ".safetensors"), single, metadata)


SIZE = (80, 64)  # width, height
SCHEDULERS = {"pndm": PNDMScheduler, "ddim": DDIMScheduler, "euler": EulerDiscreteScheduler,
              "dpmpp_2m": DPMSolverMultistepScheduler}
# width 80, height 64; `hints` are the steps of gm.hint, one ControlNet each
JOBS = {
    "generate": dict(scheduler="pndm", steps=5),
    "generate_guidance_1": dict(scheduler="ddim", steps=4, guidance=1.0),
    "img2img": dict(scheduler="dpmpp_2m", sigmas="karras", steps=10, strength=0.6),
    "img2img_pndm": dict(scheduler="pndm", steps=6, strength=0.5),
    "inpaint": dict(scheduler="ddim", steps=4, strength=1.0, mask=[21, 9, 37, 40]),
    "inpaint_part": dict(scheduler="euler", spacing="leading", steps=5, strength=0.8,
                         mask=[21, 9, 37, 40]),
    "canny": dict(scheduler="euler", steps=5, hints=[9], scales=[0.9], seeds=[7, 2**33 + 5]),
    "canny_img2img": dict(scheduler="ddim", spacing="trailing", steps=5, strength=0.6, hints=[9],
                          scales=[1.0]),
    "canny_inpaint": dict(scheduler="dpmpp_2m", steps=5, strength=1.0, mask=[0, 0, 40, 64],
                          hints=[9], scales=[0.5]),
    "two_controls": dict(scheduler="ddim", steps=5, hints=[9, 14], scales=[1.0, 0.5],
                         start=[0.0, 0.4], end=[0.5, 1.0]),
}


def pipeline_class(job):
    control, mask, image = "hints" in job, "mask" in job, "strength" in job
    name = ("StableDiffusion" + ("ControlNet" if control else "")
            + ("InpaintPipeline" if mask else "Img2ImgPipeline" if image else "Pipeline"))
    return getattr(diffusers, name)


def make_pipeline(model, job):
    own = SCHEDULERS[job["scheduler"]]
    options = {"timestep_spacing": job["spacing"]} if "spacing" in job else {}
    if job.get("sigmas") == "karras":
        options["use_karras_sigmas"] = True
    parts = dict(vae=model.module("vae"), unet=model.module("unet"), text_encoder=None,
                 tokenizer=None, safety_checker=None, feature_extractor=None,
                 requires_safety_checker=False,
                 scheduler=own.from_config(PNDMScheduler.from_config(model.scheduler).config,
                                           clip_sample=False, **options))
    if "hints" in job:
        nets = [model.module(c) for c in ("controlnet", "controlnet_b")[:len(job["hints"])]]
        parts["controlnet"] = nets if len(nets) > 1 else nets[0]
    pipe = pipeline_class(job)(**parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def job_arguments(job, size):
    width, height = size
    args = dict(num_inference_steps=job["steps"], guidance_scale=job.get("guidance", 7.5))
    if "strength" in job:
        args |= dict(image=Image.fromarray(gm.picture(width, height)), strength=job["strength"])
    else:
        args |= dict(height=height, width=width)
    if "mask" in job:
        args |= dict(mask_image=Image.fromarray(gm.box_mask(width, height, job["mask"])),
                     height=height, width=width)
    if "hints" in job:
        hints = [Image.fromarray(gm.hint(width, height, s)) for s in job["hints"]]
        scales, start, end = job["scales"], job.get("start", [0.0]), job.get("end", [1.0])
        if len(hints) == 1:
            hints, scales, start, end = hints[0], scales[0], start[0], end[0]
        args["control_image" if "strength" in job else "image"] = hints
        args |= dict(controlnet_conditioning_scale=scales, control_guidance_start=start,
                     control_guidance_end=end)
    return args


def run_job(model, job, context, seed, size=SIZE, **more):
    """Latents after every step, [steps, 4, h, w]; `context` has the prompt's row, then the negative
    one's."""
    steps = []

    def keep(_pipe, _i, _t, kwargs):
        steps.append(kwargs["latents"].clone())
        return kwargs

    pipe = make_pipeline(model, job)
    pipe(prompt_embeds=context[:1], negative_prompt_embeds=context[1:], output_type="latent",
         generator=torch.Generator("cpu").manual_seed(seed), callback_on_step_end=keep,
         **job_arguments(job, size), **more)
    return torch.cat(steps)


def run_jobs(model, dtype):
    for component in model.COMPONENTS:
        model.module(component).to(dtype)
    context = torch.cat([model.module("text_encoder")(token_ids(p))[0] for p in PROMPTS])
    return {f"{name}.{i}": run_job(model, job, context, seed) for name, job in JOBS.items()
            for i, seed in enumerate(job.setdefault("seeds", [3]))}


def single_precision_draws(randn):
    """The same random numbers whatever the type asked for."""
    def draw(*args, dtype=None, **kwargs):
        return randn(*args, dtype=torch.float32, **kwargs).to(dtype)

    return draw


def record_jobs(model, folder):
    with mock.patch("torch.randn", single_precision_draws(torch.randn)):
        exact, results = run_jobs(model, torch.float64), run_jobs(model, torch.float32)
    description = {"model": model.name, "width": SIZE[0], "height": SIZE[1], "prompt": PROMPTS[0],
                   "negative_prompt": PROMPTS[1], "jobs": JOBS}
    with open(os.path.join(folder, model.name + "_jobs.json"), "w", encoding="utf-8") as f:
        json.dump(description, f, indent=1)
        f.write("\n")
    return save(os.path.join(folder, model.name + "_jobs.safetensors"), results,
                errors(results, exact) | versions())


def record_job_file(name, script, description, jobs, run_jobs):
    """The main function of a script that records NAME.{json,safetensors}, of the form of sd15_jobs;
    `run_jobs(model, dtype)` gives the results by name."""
    p = argparse.ArgumentParser(description=description,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    p.add_argument("--out", default=os.path.join(here, "..", "tests", "data", "golden"))
    args = p.parse_args()
    diffusers.utils.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    model = gm.TinyModel("sd15")
    with mock.patch("torch.randn", single_precision_draws(torch.randn)):
        exact, results = run_jobs(model, torch.float64), run_jobs(model, torch.float32)
    description = {"model": model.name, "width": SIZE[0], "height": SIZE[1], "prompt": PROMPTS[0],
                   "negative_prompt": PROMPTS[1],
                   "jobs": {k: v | {"seeds": v.get("seeds", [3])} for k, v in jobs.items()}}
    with open(os.path.join(args.out, name + ".json"), "w", encoding="utf-8") as f:
        json.dump(description, f, indent=1)
        f.write("\n")
    save(os.path.join(args.out, name + ".safetensors"), results,
         errors(results, exact) | versions() | {"script": "tools/" + script})


def errors(single, exact):
    return {f"error:{k}": f"{(v - exact[k]).abs().max() / exact[k].abs().max():.2e}"
            for k, v in single.items()}


def versions():
    return {"script": "tools/record_golden.py", "seed": str(gm.SEED), "torch": torch.__version__,
            "diffusers": diffusers.__version__, "transformers": transformers.__version__,
            "numpy": np.__version__}


def save(path, tensors, metadata):
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata)
    os.chmod(path, 0o644)
    print(path, os.path.getsize(path), "bytes")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    p.add_argument("--out", default=os.path.join(here, "..", "tests", "data", "golden"))
    p.add_argument("--checkpoints", metavar="DIR",
                   help="write the tiny models there instead of recording")
    args = p.parse_args()
    diffusers.utils.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    for name in gm.CONFIGS:
        model = gm.TinyModel(name)
        if args.checkpoints:
            model.write_checkpoints(args.checkpoints)
            continue
        gm.write_description(os.path.join(args.out, name + ".json"), model)
        record_networks(model, args.out)
        if name == "sd15":
            record_jobs(model, args.out)
    if args.checkpoints:
        gm.TinyModel("sd15").write_compvis(args.checkpoints)


if __name__ == "__main__":
    sys.exit(main())
