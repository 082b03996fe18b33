#!/usr/bin/env python3
"""Record whole jobs with clip skip, guidance rescale and perturbed-attention guidance from
diffusers, on the tiny model of tools/golden_models.py.

Writes tests/data/golden/sd15_guidance_jobs.{json,safetensors}, of the form of sd15_jobs, which
tools/record_golden.py makes; one set of numbers for each job, at the last step.
"""

import diffusers
import torch

import record_golden as rg

JOBS = {
    "clip_skip": dict(scheduler="ddim", steps=3, clip_skip=2),
    "rescale": dict(scheduler="ddim", steps=4, guidance_rescale=0.7),
    "pag": dict(scheduler="ddim", steps=4, pag_scale=3.0),
    "pag_guidance_1": dict(scheduler="euler", steps=4, guidance=1.0, pag_scale=2.5),
    "pag_adaptive": dict(scheduler="ddim", steps=4, pag_scale=4.0, pag_adaptive_scale=0.006),
    "pag_rescale": dict(scheduler="ddim", steps=3, pag_scale=3.0, guidance_rescale=0.5),
    "pag_control": dict(scheduler="ddim", steps=3, pag_scale=3.0, hints=[9], scales=[0.8]),
}


def context_of(model, job):
    """Text states; ours counts the layers left out from 1, the reference from 0."""
    encoder = model.module("text_encoder")
    rows = []
    for prompt in rg.PROMPTS:
        out = encoder(rg.token_ids(prompt), output_hidden_states=True)
        skip = job.get("clip_skip", 1)
        norm = getattr(encoder, "text_model", encoder).final_layer_norm
        rows.append(out[0] if skip == 1 else norm(out.hidden_states[-skip]))
    return torch.cat(rows)


def run_job(model, job):
    """As rg.run_job, with the PAG pipelines where the job asks for them."""
    if "pag_scale" not in job:
        more = {k: job[k] for k in ("guidance_rescale",) if k in job}
        return rg.run_job(model, job, context_of(model, job), 3, **more)[-1:]
    plain = rg.make_pipeline(model, job)
    own = type(plain).__name__.replace("Pipeline", "PAGPipeline")
    make = getattr(diffusers, own)
    parts = {k: v for k, v in plain.components.items() if k != "image_encoder"}
    pipe = make(**parts, requires_safety_checker=False, pag_applied_layers="mid")
    pipe.set_progress_bar_config(disable=True)
    more = {k: job[k] for k in ("pag_scale", "pag_adaptive_scale", "guidance_rescale") if k in job}
    context = context_of(model, job)
    processors = dict(model.module("unet").attn_processors)
    latents = pipe(prompt_embeds=context[:1], negative_prompt_embeds=context[1:],
                   output_type="latent", generator=torch.Generator("cpu").manual_seed(3),
                   **rg.job_arguments(job, rg.SIZE), **more).images
    model.module("unet").set_attn_processor(processors)
    return latents


def run_jobs(model, dtype):
    for component in model.COMPONENTS:
        model.module(component).to(dtype)
    return {f"{name}.0": run_job(model, job) for name, job in JOBS.items()}


if __name__ == "__main__":
    rg.record_job_file("sd15_guidance_jobs", "record_guidance_golden.py", __doc__, JOBS, run_jobs)
