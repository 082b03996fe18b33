#!/usr/bin/env python3
"""Record what diffusers' autoencoders make in tiles (enable_tiling()), with the tiny models of
tools/golden_models.py.

Writes tests/data/golden/<config>_tiles.safetensors: `moments` of a picture and `decoded` latents of
7x9 cells, tiles of 4x4 cells; inputs by the rule, named "<config>.tiles.image" and
"<config>.tiles.latents". Metadata as in the files of tools/record_golden.py.
"""

import os

import diffusers
import torch

import golden_models as gm
import record_golden as rg

CELLS, TILE = (7, 9), 4
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data", "golden")


def tiled(model, dtype):
    vae = model.module("vae").to(dtype)
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    vae.enable_tiling()
    vae.tile_latent_min_size, vae.tile_sample_min_size = TILE, TILE * factor
    image = gm.values(f"{model.name}.tiles.image", (1, 3, *(factor * n for n in CELLS))).to(dtype)
    latents = gm.values(f"{model.name}.tiles.latents", (1, 4, *CELLS)).to(dtype)
    return {"moments": vae.encode(image).latent_dist.parameters,
            "decoded": vae.decode(latents).sample}


def main():
    diffusers.utils.logging.set_verbosity_error()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    for name in gm.CONFIGS:
        model = gm.TinyModel(name)
        exact, single = tiled(model, torch.float64), tiled(model, torch.float32)
        rg.save(os.path.join(GOLDEN, name + "_tiles.safetensors"), single,
                rg.errors(single, exact) | rg.versions()
                | {"script": "tools/record_tile_golden.py", "cells": str(TILE)})


if __name__ == "__main__":
    main()
