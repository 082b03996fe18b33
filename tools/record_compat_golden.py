#!/usr/bin/env python3
"""Record whole jobs in which dedit follows diffusers only with --compat diffusers, on the tiny
model of tools/golden_models.py: sizes, transparency, clip skip, a strength without a step, one
generator for a batch, and pictures of inpainting as the decoder leaves them.

Writes tests/data/golden/sd15_compat_jobs.{json,safetensors}, of the form of sd15_jobs, which
tools/record_golden.py makes; the latents of the last step, and "NAME.image", 0 to 255.
"""

import sys

import diffusers
import numpy as np
import torch
from PIL import Image

import golden_models as gm
import record_golden as rg

rg.SCHEDULERS["euler_a"] = diffusers.EulerAncestralDiscreteScheduler
BOX = [21, 9, 37, 40]
JOBS = {
    "odd_img2img": dict(scheduler="ddim", steps=4, strength=0.5, size=[83, 61]),
    "odd_canny": dict(scheduler="ddim", steps=3, hints=[9], scales=[0.9], size=[83, 61]),
    "odd_canny_img2img": dict(scheduler="ddim", steps=4, strength=0.5, hints=[9], scales=[0.9],
                              size=[83, 61]),
    "odd_inpaint": dict(scheduler="ddim", steps=3, strength=1.0, mask=BOX, size=[83, 61]),
    "odd_canny_inpaint": dict(scheduler="ddim", steps=3, strength=1.0, mask=BOX, hints=[9],
                              scales=[0.9], size=[83, 61]),
    "rgba_img2img": dict(scheduler="ddim", steps=4, strength=0.5, size=[19, 16], rgba=True),
    "rgba_canny_img2img": dict(scheduler="ddim", steps=4, strength=0.5, hints=[9], scales=[0.9],
                               rgba=True),
    "clip_skip_prompt": dict(scheduler="ddim", steps=3, clip_skip=1),
    "no_step_pndm": dict(scheduler="pndm", steps=10, strength=0.05),
    "batch": dict(scheduler="euler_a", steps=3, seeds=[3, 4]),
    "batch_img2img": dict(scheduler="euler_a", steps=4, strength=0.5, seeds=[5, 6]),
    "batch_inpaint": dict(scheduler="euler_a", steps=3, strength=1.0, mask=BOX, hints=[9],
                          scales=[0.9], seeds=[7, 8]),
    "inpaint_picture": dict(scheduler="ddim", steps=3, strength=0.8, mask=BOX, hints=[9],
                            scales=[0.9], picture=True),
}


def transparent(image):
    height, width = image.shape[:2]
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.dstack([image, ((x * 7 + y * 13) % 256).astype(np.uint8)])


def context_of(model, job):
    encoder = model.module("text_encoder")
    out = [encoder(rg.token_ids(p), output_hidden_states=True) for p in rg.PROMPTS]
    skip = job.get("clip_skip", 0)
    norm = getattr(encoder, "text_model", encoder).final_layer_norm
    prompt = norm(out[0].hidden_states[-(skip + 1)]) if skip else out[0][0]
    return prompt, out[1][0]


def arguments(job):
    width, height = job.get("size", rg.SIZE)
    args = rg.job_arguments(job, (width, height))
    if "size" in job:
        args.pop("width", None), args.pop("height", None)
    if job.get("rgba"):
        args["image"] = Image.fromarray(transparent(gm.picture(width, height)))
    return args


def run_job(model, job):
    prompt, negative = context_of(model, job)
    pipe = rg.make_pipeline(model, job)

    def run(kind):
        return pipe(prompt_embeds=prompt, negative_prompt_embeds=negative, output_type=kind,
                    generator=torch.Generator("cpu").manual_seed(job["seeds"][0]),
                    num_images_per_prompt=len(job["seeds"]), **arguments(job)).images

    out = {str(i): x[None] for i, x in enumerate(run("latent"))}
    if job.get("picture"):
        out["image"] = torch.from_numpy(run("np")[0].astype(np.float64) * 255)
    return out


def run_jobs(model, dtype):
    for component in model.COMPONENTS:
        model.module(component).to(dtype)
    return {f"{name}.{key}": value.to(dtype) for name, job in JOBS.items()
            for key, value in run_job(model, job).items()}


def main():
    for job in JOBS.values():
        job.setdefault("seeds", [3])
        job["compat"] = True
    rg.record_job_file("sd15_compat_jobs", "record_compat_golden.py", __doc__, JOBS, run_jobs)


if __name__ == "__main__":
    sys.exit(main())
