"""Tiny models whose weights come from a rule, so that golden files hold no weights.

The rule (tests/support/seeded_weights.cpp is its other half). Element i of the
tensor with canonical name n ("unet.conv_in.weight") under seed s:

    z = ((crc32(n) xor s) << 32) + i                 in 64 bits
    z = splitmix64(z)
    u = (z >> 40) * 2^-23 - 1                        in [-1, 1), 24 bits, exact in f32

    norm weights (1-D "...weight")      1 + u / 8
    biases ("...bias")                  u / 32
    embeddings ("...embedding.weight")  u / 8
    matrices and convolutions           u * f32(sqrt(3 / fan_in)), fan_in = numel / shape[0]
    inputs                              u * 1.5

Every operation is exact or one f32 rounding, so Python and C++ agree to the bit.
"""

import json
import os
import zlib

import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.numpy import save_file
from transformers import CLIPTextConfig, CLIPTextModel

import make_random_sd15 as sd15

SEED = 20240229

SCHEDULER = {
    "_class_name": "PNDMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000,
    "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
}


def unet(channels, down, heads, context, groups, layers=2, **more):
    return dict(block_out_channels=channels, down_block_types=down,
                up_block_types=[t.replace("Down", "Up") for t in reversed(down)],
                attention_head_dim=heads, cross_attention_dim=context, norm_num_groups=groups,
                layers_per_block=layers, in_channels=4, out_channels=4, sample_size=8, **more)


def vae(channels, groups, layers=2):
    n = len(channels)
    return dict(block_out_channels=channels, down_block_types=["DownEncoderBlock2D"] * n,
                up_block_types=["UpDecoderBlock2D"] * n, norm_num_groups=groups,
                layers_per_block=layers, latent_channels=4, in_channels=3, out_channels=3,
                sample_size=8 << (n - 1), scaling_factor=0.18215)


def clip(width, layers, heads, act):
    return dict(hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
                intermediate_size=4 * width, hidden_act=act, vocab_size=49408,
                max_position_embeddings=77, projection_dim=width, eos_token_id=2, bos_token_id=0,
                pad_token_id=1)


CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
# "sd15" has Stable Diffusion 1.5's structure (a CompVis file can hold it) and runs whole jobs; the
# others vary what the families vary, with channel counts that fit no vector register.
CONFIGS = {
    "sd15": dict(unet=unet([32, 64, 128, 128], [CROSS, CROSS, CROSS, PLAIN], 8, 64, 32),
                 hint=[16, 32, 96, 256], vae=vae([32, 64, 128, 128], 32),
                 text_encoder=clip(64, 2, 1, "quick_gelu"), latent=(8, 10)),
    "linear": dict(unet=unet([36, 72, 72], [CROSS, CROSS, PLAIN], [3, 6, 4], 40, 12, layers=1,
                             use_linear_projection=True, transformer_layers_per_block=2),
                   hint=[8, 12, 20, 28], vae=vae([24, 48, 48], 6, layers=1),
                   text_encoder=clip(40, 2, 5, "gelu"), latent=(7, 9)),
    "conv": dict(unet=unet([40, 80, 120], [PLAIN, CROSS, CROSS], [2, 5, 3], 48, 8,
                           transformer_layers_per_block=[1, 1, 2]),
                 hint=[4, 8, 8, 16], vae=vae([20, 20, 60], 5),
                 text_encoder=clip(48, 3, 2, "quick_gelu"), latent=(7, 6)),
}


def uniforms(name, count, seed=SEED):
    start = ((zlib.crc32(name.encode()) ^ seed) & 0xFFFFFFFF) << 32
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(count, dtype=np.uint64)
        z += np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def weight(name, shape):
    u = uniforms(name, int(np.prod(shape)))
    if name.endswith(".bias"):
        u = u / np.float32(32)
    elif len(shape) == 1:
        u = np.float32(1) + u / np.float32(8)
    elif name.endswith("embedding.weight"):
        u = u / np.float32(8)
    else:
        u = u * np.float32(np.sqrt(3.0 / float(np.prod(shape[1:]))))
    return u.reshape(shape)


def values(name, shape):
    """An input by the same rule."""
    return torch.from_numpy((uniforms(name, int(np.prod(shape))) * np.float32(1.5)).reshape(shape))


def make_module(component, config):
    if component == "text_encoder":
        return CLIPTextModel(CLIPTextConfig(**config["text_encoder"]))
    if component == "vae":
        return AutoencoderKL(**config["vae"])
    if component == "unet":
        return UNet2DConditionModel(**config["unet"])
    u = {k: v for k, v in config["unet"].items()
         if k not in ("up_block_types", "out_channels", "sample_size")}
    return ControlNetModel(**u, conditioning_embedding_out_channels=config["hint"])


def canonical(component, key):
    """Name in files and in the rule; transformers' module names may lack the file's prefix."""
    if component == "text_encoder":
        key = "text_model." + key.removeprefix("text_model.")
    return f"{component}.{key}"


class TinyModel:
    """The networks of one config, with weights by the rule, on demand."""

    COMPONENTS = ("text_encoder", "unet", "vae", "controlnet", "controlnet_b")

    def __init__(self, name):
        self.name, self.config, self.modules = name, CONFIGS[name], {}
        self.scheduler = SCHEDULER

    def shapes(self, component):
        state = self.module(component).state_dict()
        return {canonical(component, k): list(v.shape) for k, v in state.items()
                if v.is_floating_point()}

    def module(self, component):
        if component not in self.modules:
            module = make_module(component, self.config)
            state = {k: torch.from_numpy(weight(canonical(component, k), list(v.shape)))
                     if v.is_floating_point() else v for k, v in module.state_dict().items()}
            module.load_state_dict(state)
            self.modules[component] = module.eval()
        return self.modules[component]

    def config_json(self, component):
        module = self.module(component)
        config = module.config.to_dict() if component == "text_encoder" else dict(module.config)
        for key in ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "id2label",
                    "label2id"):
            config.pop(key, None)
        config = {k: v for k, v in config.items() if v is not None and not k.startswith("_")}
        if component == "text_encoder":
            return {"architectures": ["CLIPTextModel"], **config}
        return {"_class_name": type(module).__name__, **config}

    def write_diffusers(self, folder, components=("text_encoder", "unet", "vae")):
        for component in components:
            base = component.split("_b")[0] if component.startswith("controlnet") else component
            out = folder if base == "controlnet" else os.path.join(folder, base)
            file = "model" if base == "text_encoder" else "diffusion_pytorch_model"
            os.makedirs(out, exist_ok=True)
            tensors = {n.split(".", 1)[1]: weight(n, s) for n, s in self.shapes(component).items()}
            save_file(tensors, os.path.join(out, file + ".safetensors"), {"format": "pt"})
            sd15.write_json(os.path.join(out, "config.json"), self.config_json(component))

    def write_checkpoints(self, folder):
        """diffusers folders: the model and its two ControlNets."""
        root = os.path.join(folder, self.name)
        self.write_diffusers(root)
        sd15.write_json(os.path.join(root, "scheduler", "scheduler_config.json"), SCHEDULER)
        sd15.write_json(os.path.join(root, "model_index.json"),
                        {"_class_name": "StableDiffusionPipeline"})
        self.write_diffusers(root + "-controlnet", ("controlnet",))
        self.write_diffusers(root + "-controlnet-b", ("controlnet_b",))

    def write_compvis(self, folder):
        """The same weights in single files; for the config of SD 1.5's structure."""
        u, v, t = (self.config[k] for k in ("unet", "vae", "text_encoder"))
        c = sd15.FULL._replace(
            model_channels=u["block_out_channels"][0], context_dim=u["cross_attention_dim"],
            vae_channels=v["block_out_channels"][0], clip_width=t["hidden_size"],
            clip_layers=t["num_hidden_layers"], clip_heads=t["num_attention_heads"])
        parts = {"unet": sd15.unet(c), "vae": sd15.vae(c), "text_encoder": sd15.clip_text(c)}
        entries = [e for p, tensors in parts.items() for e in self.compvis_entries(p, tensors)]
        sd15.write_safetensors(os.path.join(folder, self.name + ".safetensors"), entries)
        sd15.write_safetensors(os.path.join(folder, self.name + "-controlnet.safetensors"),
                               self.compvis_entries("controlnet", sd15.controlnet(c)))

    def compvis_entries(self, component, tensors):
        def make(t):
            return weight(f"{component}.{t.diffusers}", t.diffusers_shape).reshape(t.shape)

        assert {f"{component}.{t.diffusers}" for t in tensors} == set(self.shapes(component))
        return [(t.ldm, t.shape, "f32", lambda t=t: make(t)) for t in tensors]

    def describe(self):
        """What a test needs to write the same checkpoint: configs, names, shapes."""
        def lines(component):
            return [name.split(".", 1)[1] + " " + "x".join(map(str, shape))
                    for name, shape in self.shapes(component).items()]

        return {"name": self.name, "seed": SEED, "scheduler": SCHEDULER,
                "components": {c: {"config": self.config_json(c), "tensors": lines(c)}
                               for c in self.COMPONENTS}}


def picture(width, height):
    """A made-up RGB picture: integer arithmetic only."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * 5 + y * 3 + c * 70 + (x * y) // 7) % 256).astype(np.uint8)


def hint(width, height, step):
    """Black with white lines, as edge maps are."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    lines = ((x + 2 * y) % step == 0) | ((3 * x - y) % (step + 4) == 0)
    return np.repeat((lines * 255).astype(np.uint8)[..., None], 3, axis=2)


def box_mask(width, height, box):
    x, y, w, h = box
    mask = np.zeros((height, width), np.uint8)
    mask[y:y + h, x:x + w] = 255
    return mask


def write_description(path, model):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(model.describe(), f, indent=0, separators=(",", ":"))
        f.write("\n")
