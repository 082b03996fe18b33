#!/usr/bin/env python3
"""Record reference numbers for the random generator and the scheduler tests.

Writes tests/data/core/torch_random.json (draws of torch's CPU generator) and
tests/data/schedulers/diffusers.json (timestep and sigma tables and short
trajectories of the diffusers schedulers). Needs torch and diffusers.

A trajectory steps four numbers with the pipelines' loop and a made-up network:

    model(x, t) = 0.6 x + 0.4 cos(2 x + t / 100)          (float32, elementwise)

from start = [1.25, -0.5, 0.125, 2.0] * init_noise_sigma, or, begun at index b > 0,
from add_noise(source, noise, timesteps[b]) with source = [0.5, -1.0, 0.25, 0.75]
and noise = start. Each row keeps the sample after every step.
"""

import argparse
import itertools
import json
import os
import sys

import diffusers
import numpy as np
import torch
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler,
                       PNDMScheduler)

SD = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
          num_train_timesteps=1000)
START = torch.tensor([1.25, -0.5, 0.125, 2.0]).reshape(1, 1, 1, 4)
SOURCE = torch.tensor([0.5, -1.0, 0.25, 0.75]).reshape(1, 1, 1, 4)
CLASSES = {
    "ddim": (DDIMScheduler, dict(clip_sample=False, set_alpha_to_one=False)),
    "pndm": (PNDMScheduler, dict(skip_prk_steps=True, set_alpha_to_one=False)),
    "euler": (EulerDiscreteScheduler, {}),
    "dpmpp_2m": (DPMSolverMultistepScheduler, {}),
}


def model(x, t):
    return 0.6 * x + 0.4 * torch.cos(2 * x + float(t) / 100)


def numbers(x):
    """Shortest decimals that give the same float32."""
    return [float(np.format_float_positional(np.float32(v), unique=True))
            for v in np.asarray(x, np.float32).ravel()]


def trajectory(name, spacing, karras, prediction, steps, begin, **extra):
    cls, own = CLASSES[name]
    config = dict(SD, steps_offset=1, prediction_type=prediction, timestep_spacing=spacing, **own)
    config.update(extra)
    if karras:
        config["use_karras_sigmas"] = True
    s = cls(**config)
    s.set_timesteps(steps)
    row = {"scheduler": name, "spacing": spacing, "karras": karras, "prediction": prediction,
           "steps": steps, "begin": begin, "init_noise_sigma": float(s.init_noise_sigma),
           "timesteps": numbers(s.timesteps)}
    row.update(extra)
    if hasattr(s, "sigmas"):
        row["sigmas"] = numbers(s.sigmas)
    timesteps = s.timesteps[begin:]
    if hasattr(s, "set_begin_index"):
        s.set_begin_index(begin)
    x = START * s.init_noise_sigma
    if begin > 0:
        x = s.add_noise(SOURCE, START, timesteps[:1])
    row["samples"] = []
    for t in timesteps:
        x = s.step(model(s.scale_model_input(x, t), t), t, x).prev_sample
        row["samples"].append(numbers(x))
    return row


def trajectories():
    rows = []
    for name in CLASSES:
        karras = (False, True) if name in ("euler", "dpmpp_2m") else (False,)
        kinds = ("epsilon", "v_prediction") + (("sample",) if name != "pndm" else ())
        for spacing, k, prediction, begin in itertools.product(
                ("leading", "linspace", "trailing"), karras, kinds, (0, 4)):
            rows.append(trajectory(name, spacing, k, prediction, 10, begin))
        rows.append(trajectory(name, "leading", False, "epsilon", 20, 0))
        rows.append(trajectory(name, "trailing", False, "epsilon", 7, 0))
        rows.append(trajectory(name, "linspace", False, "epsilon", 1, 0))
    for spacing, prediction in (("leading", "epsilon"), ("trailing", "v_prediction")):
        rows.append(trajectory("pndm", spacing, False, prediction, 8, 0, skip_prk_steps=False))
    rows.append(trajectory("ddim", "leading", False, "epsilon", 10, 0, set_alpha_to_one=True))
    return rows


def tables():
    """Timesteps of step counts that meet the rules' roundings."""
    rows = []
    for name, (cls, own) in CLASSES.items():
        for spacing, steps in itertools.product(("leading", "linspace", "trailing"),
                                                (1, 3, 17, 28, 50, 150, 498)):
            s = cls(**SD, steps_offset=1, timestep_spacing=spacing, **own)
            s.set_timesteps(steps)
            t = numbers(s.timesteps)
            rows.append({"scheduler": name, "spacing": spacing, "steps": steps, "count": len(t),
                         "first": t[:4], "last": t[-4:], "sum": float(np.sum(t))})
    return rows


def schedules():
    rows = []
    for config in (SD, dict(SD, beta_schedule="linear", beta_start=0.0001, beta_end=0.02),
                   dict(SD, num_train_timesteps=1100)):
        ac = DDIMScheduler(**config).alphas_cumprod
        rows.append({**config, "at": [0, 1, 2, 37, 499, 500, 501, 981, 999],
                     "alphas_cumprod": numbers(ac[[0, 1, 2, 37, 499, 500, 501, 981, 999]]),
                     "sum": float(ac.double().sum())})
    return rows


def random_draws():
    rows = []
    for seed in (0, 1, 42, 2**31 + 7, 2**32 + 5, 2**63 + 123456789):
        g = torch.Generator("cpu").manual_seed(seed if seed < 2**63 else seed - 2**64)
        draws = []
        for kind, n in (("randn", 3), ("randn", 16), ("randn", 2), ("rand", 3), ("randn", 17),
                        ("randn", 31), ("randn", 1), ("randn", 4 * 64 * 64), ("randn", 5)):
            x = getattr(torch, kind)(n, generator=g)
            draws.append({"kind": kind, "size": n, "first": numbers(x[:8]),
                          "last": numbers(x[-8:]), "sum_abs": float(x.double().abs().sum())})
        rows.append({"seed": str(seed), "draws": draws})
    return rows


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = {"source": {"script": "tools/record_schedulers.py", "torch": torch.__version__,
                       "numpy": np.__version__, "diffusers": diffusers.__version__}, **data}
    lines = []
    for key, value in data.items():
        if isinstance(value, list):  # one row a line
            body = ",\n".join("  " + json.dumps(row) for row in value)
            lines.append(f' "{key}": [\n{body}\n ]')
        else:
            lines.append(f' "{key}": {json.dumps(value)}')
    with open(path, "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(lines) + "\n}\n")
    print(path, os.path.getsize(path), "bytes")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    p.add_argument("--out", default=os.path.join(here, "..", "tests", "data"),
                   help="folder to write to (default: tests/data)")
    args = p.parse_args()
    torch.set_num_threads(1)
    write(os.path.join(args.out, "core", "torch_random.json"), {"runs": random_draws()})
    write(os.path.join(args.out, "schedulers", "diffusers.json"),
          {"schedules": schedules(), "tables": tables(), "trajectories": trajectories()})


if __name__ == "__main__":
    sys.exit(main())
