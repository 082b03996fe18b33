#!/usr/bin/env python3
"""Record whole jobs with guess mode, several ControlNets and control windows from diffusers, on the
tiny model of tools/golden_models.py.

Writes tests/data/golden/sd15_control_jobs.{json,safetensors}, of the form of sd15_jobs, which
tools/record_golden.py makes; one set of numbers for each job, at the last step.
"""

import argparse
import json
import os
import sys
from unittest import mock

import diffusers
import torch

import golden_models as gm
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
}


def run_jobs(model, dtype):
    for component in model.COMPONENTS:
        model.module(component).to(dtype)
    context = torch.cat([model.module("text_encoder")(rg.token_ids(p))[0] for p in rg.PROMPTS])
    return {f"{name}.0": rg.run_job(model, job, context, 3,
                                    guess_mode=job.get("guess", False))[-1:]
            for name, job in JOBS.items()}


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    p.add_argument("--out", default=os.path.join(here, "..", "tests", "data", "golden"))
    args = p.parse_args()
    diffusers.utils.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    model = gm.TinyModel("sd15")
    with mock.patch("torch.randn", rg.single_precision_draws(torch.randn)):
        exact, results = run_jobs(model, torch.float64), run_jobs(model, torch.float32)
    description = {"model": model.name, "width": rg.SIZE[0], "height": rg.SIZE[1],
                   "prompt": rg.PROMPTS[0], "negative_prompt": rg.PROMPTS[1],
                   "jobs": {k: v | {"seeds": [3]} for k, v in JOBS.items()}}
    with open(os.path.join(args.out, "sd15_control_jobs.json"), "w", encoding="utf-8") as f:
        json.dump(description, f, indent=1)
        f.write("\n")
    rg.save(os.path.join(args.out, "sd15_control_jobs.safetensors"), results,
            rg.errors(results, exact) | rg.versions() | {"script": "tools/record_control_golden.py"})


if __name__ == "__main__":
    sys.exit(main())
