#!/usr/bin/env python3
"""Record whole jobs with guess mode, several ControlNets, control windows and ControlNets whose
residuals are pooled (config field global_pool_conditions, as shuffle's) from diffusers, on the tiny
model of tools/golden_models.py.

Writes tests/data/golden/sd15_control_jobs.{json,safetensors}, of the form of sd15_jobs, which
tools/record_golden.py makes; one set of numbers for each job, at the last step.
"""

import torch

import record_golden as rg

BOX = [21, 9, 37, 40]
JOBS = {
    "guess": dict(scheduler="ddim", steps=4, hints=[9], scales=[0.9], guess=True),
    "guess_window": dict(scheduler="euler", steps=5, hints=[9], scales=[1.2], start=[0.2],
                         end=[0.8], guess=True),
    "guess_guidance_1": dict(scheduler="ddim", steps=3, guidance=1.0, hints=[9], scales=[1.0],
                             guess=True),
    "guess_two": dict(scheduler="dpmpp_2m", steps=5, hints=[9, 14], scales=[1.0, 0.6],
                      start=[0.0, 0.3], end=[0.7, 1.0], guess=True),
    "guess_img2img": dict(scheduler="ddim", steps=6, strength=0.6, hints=[9], scales=[1.0],
                          guess=True),
    "guess_inpaint": dict(scheduler="euler", steps=4, strength=1.0, mask=BOX, hints=[9],
                          scales=[0.8], guess=True),
    "two_alike": dict(scheduler="euler", steps=4, hints=[9, 9], scales=[0.7, 0.7],
                      start=[0.0, 0.0], end=[1.0, 1.0]),
    "two_img2img": dict(scheduler="ddim", steps=6, strength=0.7, hints=[9, 14],
                        scales=[1.5, 0.25], start=[0.0, 0.5], end=[0.5, 1.0]),
    "two_inpaint": dict(scheduler="ddim", steps=4, strength=1.0, mask=BOX, hints=[14, 9],
                        scales=[0.5, 1.0], end=[0.6, 1.0], start=[0.0, 0.0]),
    "pooled": dict(scheduler="ddim", steps=4, hints=[9], scales=[0.9], pools=True),
    "pooled_guess": dict(scheduler="euler", steps=3, hints=[9], scales=[1.0], guess=True,
                         pools=True),
    "pooled_guidance_1": dict(scheduler="ddim", steps=3, guidance=1.0, hints=[9], scales=[1.0],
                              pools=True),
    "pooled_two": dict(scheduler="ddim", steps=5, hints=[9, 14], scales=[1.0, 0.5],
                       start=[0.0, 0.4], end=[0.5, 1.0], pools=True),
}


def run_job(model, job, context):
    for control in ("controlnet", "controlnet_b"):
        model.module(control).register_to_config(global_pool_conditions=job.get("pools", False))
    return rg.run_job(model, job, context, 3, guess_mode=job.get("guess", False))[-1:]


def run_jobs(model, dtype):
    for component in model.COMPONENTS:
        model.module(component).to(dtype)
    context = torch.cat([model.module("text_encoder")(rg.token_ids(p))[0] for p in rg.PROMPTS])
    return {f"{name}.0": run_job(model, job, context) for name, job in JOBS.items()}


if __name__ == "__main__":
    rg.record_job_file("sd15_control_jobs", "record_control_golden.py", __doc__, JOBS, run_jobs)
