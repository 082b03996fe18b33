"""Writes the trained parts as a diffusers model folder with 16-bit weights.

Parts not trained yet are written as they start (ControlNet's zero convolutions
then add nothing), so that an engine can be tried early.
"""
import argparse
import gzip
import importlib.resources
import json
import math
import os
import shutil

import torch
from safetensors.torch import save_file

import common
import models


def write_json(path, value, **kw):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, **kw)
        f.write("\n")


def write_model(module, folder, name, dtype, prefix=""):
    os.makedirs(folder, exist_ok=True)
    tensors = {prefix + k.removeprefix(prefix): v.to(dtype).contiguous() for k, v in module.state_dict().items()
               if not k.endswith("position_ids")}
    save_file(tensors, os.path.join(folder, name), metadata={"format": "pt"})
    os.chmod(os.path.join(folder, name), 0o644)
    config = {"_class_name": type(module).__name__} if hasattr(module, "register_to_config") else {}
    config |= module.config.to_dict() if hasattr(module.config, "to_dict") else dict(module.config)
    # Paths and versions of the machine that trained are nobody's business.
    for key in ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "id2label", "label2id"):
        config.pop(key, None)
    if prefix:
        config["architectures"] = [type(module).__name__]
    config = {k: v for k, v in config.items()
              if v is not None and (k == "_class_name" or not k.startswith("_"))}
    write_json(os.path.join(folder, "config.json"), config, indent=2, sort_keys=True)


def write_tokenizer(folder):
    """CLIP's vocabulary in the two files CLIPTokenizer reads."""
    file = importlib.resources.files("open_clip") / "bpe_simple_vocab_16e6.txt.gz"
    with gzip.open(str(file), "rt", encoding="utf-8") as f:
        merges = f.read().split("\n")[1:49152 - 256 - 2 + 1]
    from open_clip.tokenizer import bytes_to_unicode
    letters = list(bytes_to_unicode().values())
    words = letters + [c + "</w>" for c in letters] + ["".join(m.split()) for m in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    assert len(words) == models.VOCAB
    write_json(os.path.join(folder, "vocab.json"), {w: i for i, w in enumerate(words)},
               separators=(",", ":"))
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
               "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    write_json(os.path.join(folder, "special_tokens_map.json"), special, indent=2)
    write_json(os.path.join(folder, "tokenizer_config.json"),
               {**special, "tokenizer_class": "CLIPTokenizer", "model_max_length": models.MAX_TOKENS,
                "do_lower_case": True, "add_prefix_space": False, "errors": "replace"}, indent=2)


@torch.no_grad()
def fold_normalisation(vae, meta):
    """Moves the per-channel mean and std of the latents into the 1x1
    convolutions, so that plain `scaling_factor * mean` gives what was trained on."""
    mean, std = torch.tensor(meta["mean"]), torch.tensor(meta["std"])
    k = 1 / (std * meta["scaling_factor"])
    post = vae.post_quant_conv
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight /= k[None, :, None, None]
    vae.quant_conv.weight[:4] *= k[:, None, None, None]
    vae.quant_conv.bias[:4] = (vae.quant_conv.bias[:4] - mean) * k


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", required=True)
    p.add_argument("--emoji", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--float32", action="store_true", help="32-bit weights, to compare")
    args = p.parse_args()
    dtype = torch.float32 if args.float32 else torch.float16
    meta = common.load_meta(args.work)
    join = lambda *names: os.path.join(args.out, *names)
    trained = lambda name: os.path.exists(os.path.join(args.work, name + ".pt"))

    vae = models.new_vae()
    common.load_final(vae, args.work, "vae_decoder" if trained("vae_decoder") else "vae")
    vae.register_to_config(scaling_factor=round(meta["scaling_factor"], 5))
    fold_normalisation(vae, meta)
    # The variance was never trained; a small constant makes sampling the
    # encoder's distribution harmless (half the noise the decoder is used to).
    with torch.no_grad():
        vae.quant_conv.weight[4:] = 0
        vae.quant_conv.bias[4:] = 2 * math.log(models.LATENT_NOISE / 2)
    write_model(vae, join("vae"), "diffusion_pytorch_model.safetensors", dtype)

    text, unet = models.new_text_encoder(), models.new_unet()
    text.get_input_embeddings().weight.data.zero_()
    source = ("unet", 0, 1)
    if trained("controlnet") and common.parts(args.work, "controlnet") == 3:
        source = ("controlnet", 1, 2)    # trained on beside the ControlNet
    if trained(source[0]):
        common.load_final(unet, args.work, source[0], source[1])
        common.load_text(text, args.work, source[0], source[2])
    # Published CLIP files name every tensor text_model.*; newer transformers drop that in memory.
    write_model(text, join("text_encoder"), "model.safetensors", dtype, "text_model.")
    write_model(unet, join("unet"), "diffusion_pytorch_model.safetensors", dtype)

    net = models.new_controlnet(unet)
    if trained("controlnet"):
        common.load_final(net, args.work, "controlnet")
    write_model(net, join("controlnet-canny"), "diffusion_pytorch_model.safetensors", dtype)

    models.new_scheduler().save_pretrained(join("scheduler"))
    write_tokenizer(join("tokenizer"))
    write_json(join("model_index.json"), {
        "_class_name": "StableDiffusionPipeline", "feature_extractor": [None, None],
        "image_encoder": [None, None], "requires_safety_checker": False,
        "safety_checker": [None, None], "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}, indent=2)
    shutil.copyfile(os.path.join(args.emoji, "LICENSE.noto-emoji"), join("LICENSE.noto-emoji"))
    size = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(args.out) for f in fs)
    print(f"{len(meta['tokens'])} token rows kept, folder {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
