#!/usr/bin/env python3
"""PyTorch on a GPU: seconds of the networks' parts in one process, in one of the modes

  eager            operation by operation, as a program without any compilation runs
  graph            the same, captured in a CUDA graph and replayed
  reduce-overhead  torch.compile, in CUDA graphs
  max-autotune     torch.compile, which also searches kernels; minutes for the first call

Channels last, scaled_dot_product_attention, random weights made on the spot; medians by CUDA
events. The networks are torch_networks.py's, from --model's and --control's config.json, else from
the published configurations. After each part a line of JSON with all figures so far is printed, so
that whoever stops it keeps those. Parts:

  step        a CFG step at --size: two rows through the U-Net, guidance, DDIM
  edit_step   the same with a ControlNet
  control     a ControlNet pass of two rows
  decode      VAE decoder, one picture
  encode      VAE encoder, one picture
  sdxl_step   a CFG step of SDXL's U-Net at twice --size

  bench/rivals/gpu_torch.py --mode eager
  bench/rivals/gpu_torch.py --check sd15 --check-control sd15-cn --size 256     # needs diffusers

--check runs diffusers' modules and these on the same weights in f32 on a CPU, the U-Net of SDXL
narrowed and with random weights, and ends with 1 where they differ by more than --bound.
"""

import argparse
import json
import os
import statistics
import sys
import time

import torch

import torch_networks as networks
from torch_vae import Vae

DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
PARTS = ("step", "edit_step", "control", "decode", "encode", "sdxl_step")
MODES = ("eager", "graph", "reduce-overhead", "max-autotune")
TOKENS, GUIDANCE = 77, 7.5
DDIM = (1.02, -0.05)  # of the sample and of the noise estimate: any step's


def read_config(folder, built_in):
    if not folder:
        return built_in
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        return json.load(f)


def random_network(kind, config, args):
    """Weights as tools/make_random_sd15.py spreads them: activations stay of order 1."""
    with torch.device("meta"):
        module = kind(config)
    module = module.to_empty(device=args.device).to(args.torch_dtype).eval().requires_grad_(False)
    generator = torch.Generator(args.device).manual_seed(args.seed)
    for name, p in module.named_parameters():
        if p.dim() > 1:
            p.normal_(0, 0.5 / (p.numel() / p.shape[0]) ** 0.5, generator=generator)
        elif "norm" in name:
            p.fill_(1.0 if name.endswith("weight") else 0.0)
        else:
            p.normal_(0, 0.02, generator=generator)
    return module.to(memory_format=torch.channels_last)


class Work:
    """The call of each part; networks are made when they are first asked for."""

    def __init__(self, args):
        self.args, self.made = args, {}
        self.generator = torch.Generator(args.device).manual_seed(args.seed + 1)

    def network(self, name):
        model = self.args.model or ""
        table = {
            "unet": (networks.UNet, model and os.path.join(model, "unet"), networks.SD15_UNET),
            "control": (networks.ControlNet, self.args.control, networks.SD15_CONTROL),
            "vae": (Vae, model and os.path.join(model, "vae"), networks.SD_VAE),
            "sdxl": (networks.UNet, None, networks.SDXL_UNET),
        }
        if name not in self.made:
            kind, folder, built_in = table[name]
            self.made[name] = random_network(kind, read_config(folder, built_in), self.args)
        return self.made[name]

    def random(self, *shape):
        x = torch.randn(shape, generator=self.generator, device=self.args.device)
        x = x.to(self.args.torch_dtype)
        return x.to(memory_format=torch.channels_last) if len(shape) == 4 else x

    def step(self, unet, size, control=None, added=None):
        side = size // 8
        context = self.random(2, TOKENS, unet.config["cross_attention_dim"])
        hint = self.random(2, 3, size, size) if control else None

        def call(x, t):
            both, times = torch.cat([x, x]), t.expand(2)
            residuals = control(both, times, context, hint) if control else None
            plain, prompted = unet(both, times, context, added, residuals).chunk(2)
            noise = plain + GUIDANCE * (prompted - plain)
            return DDIM[0] * x + DDIM[1] * noise

        return call, (self.random(1, 4, side, side), torch.tensor([500.0], device=self.args.device))

    def part(self, name):
        """-> a function and its arguments"""
        size = self.args.size
        if name == "step":
            return self.step(self.network("unet"), size)
        if name == "edit_step":
            return self.step(self.network("unet"), size, self.network("control"))
        if name == "sdxl_step":
            sizes = torch.tensor([[2 * size, 2 * size, 0, 0, 2 * size, 2 * size]] * 2,
                                 device=self.args.device)
            unet = self.network("sdxl")
            added = (self.random(2, 1280), sizes)
            return self.step(unet, 2 * size, added=added)
        if name == "control":
            net = self.network("control")
            context = self.random(2, TOKENS, net.config["cross_attention_dim"])
            times = torch.full((2,), 500.0, device=self.args.device)
            return net, (self.random(2, 4, size // 8, size // 8), times, context,
                         self.random(2, 3, size, size))
        vae = self.network("vae")
        if name == "decode":
            return vae.decode, (self.random(1, 4, size // 8, size // 8),)
        return vae.encode, (self.random(1, 3, size, size),)


def captured(call, inputs):
    """`call` on these inputs as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = call(*inputs)

    def replay(*_):
        graph.replay()
        return y

    return replay


def ready(call, inputs, mode):
    if mode == "eager":
        return call
    if mode == "graph":
        return captured(call, inputs)
    return torch.compile(call, mode=mode, dynamic=False, fullgraph=True)


def first_tensor(y):
    return y[0] if isinstance(y, (list, tuple)) else y


def median_seconds(call, inputs, args):
    """-> median, seconds of the first call"""
    began = time.time()

    def once():
        torch.compiler.cudagraph_mark_step_begin()
        return call(*inputs)

    y = first_tensor(once())
    torch.cuda.synchronize()
    first = time.time() - began
    y = y.float()
    if not torch.isfinite(y).all() or y.std() == 0:
        raise RuntimeError("the output is not finite, or constant")
    for _ in range(args.warm_up):
        once()
    pairs = []
    for _ in range(args.repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        once()
        end.record()
        pairs.append((begin, end))
    torch.cuda.synchronize()
    return statistics.median(b.elapsed_time(e) for b, e in pairs) / 1e3, first


@torch.no_grad()
def measure(args):
    torch.backends.cudnn.benchmark = True
    result = {"first": {}, "errors": {}, "mode": args.mode, "dtype": args.dtype,
              "torch": torch.__version__, "device": torch.cuda.get_device_name()}
    work = Work(args)
    for name in args.parts.split(","):
        try:
            call, inputs = work.part(name)
            result[name], result["first"][name] = median_seconds(
                ready(call, inputs, args.mode), inputs, args)
            result["peak"] = torch.cuda.max_memory_reserved() / 2**30
        except Exception as e:  # a compiler's error in one part must not cost the others
            result["errors"][name] = f"{type(e).__name__}: {str(e).strip()[:300]}"
        call = inputs = None
        torch.compiler.reset()
        print(json.dumps(result), flush=True)


# --- against diffusers ---------------------------------------------------------------------------

def difference(ours, theirs):
    ours, theirs = (y if isinstance(y, (list, tuple)) else [y] for y in (ours, theirs))
    errors = [(a - b).abs().max() / b.abs().max() for a, b in zip(ours, theirs, strict=True)]
    return float(max(errors))


def shared(kind, theirs):
    """Our module on the weights of diffusers' `theirs`, not a copy of them."""
    with torch.device("meta"):
        ours = kind(dict(theirs.config))
    ours.load_state_dict(theirs.state_dict(), assign=True)
    return ours.eval()


def narrow_sdxl():
    from diffusers import UNet2DConditionModel

    config = {**networks.SDXL_UNET, "block_out_channels": [32, 64, 128], "cross_attention_dim": 64,
              "attention_head_dim": [1, 2, 4], "transformer_layers_per_block": [1, 2, 3],
              "addition_time_embed_dim": 16, "projection_class_embeddings_input_dim": 6 * 16 + 40}
    torch.manual_seed(1)
    theirs = UNet2DConditionModel(**config).eval()
    x, context, pooled = torch.randn(2, 4, 24, 16), torch.randn(2, 77, 64), torch.randn(2, 40)
    sizes = torch.tensor([[192, 128, 0, 8, 192, 128]] * 2)
    t = torch.tensor([501.0, 33.0])
    want = theirs(x, t, context, added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes}).sample
    return difference(shared(networks.UNet, theirs)(x, t, context, (pooled, sizes)), want)


def check_unet(args, residuals):
    """residuals: of a ControlNet of the same configuration, or None"""
    from diffusers import UNet2DConditionModel

    theirs = UNet2DConditionModel.from_pretrained(args.check, subfolder="unet",
                                                  torch_dtype=torch.float32).eval()
    torch.manual_seed(2)
    side = args.size // 8
    x, t = torch.randn(2, 4, side, side), torch.tensor([501.0, 33.0])
    context = torch.randn(2, TOKENS, theirs.config.cross_attention_dim)
    more = {} if residuals is None else {"down_block_additional_residuals": residuals[:-1],
                                         "mid_block_additional_residual": residuals[-1]}
    want = theirs(x, t, context, **more).sample
    return difference(shared(networks.UNet, theirs)(x, t, context, None, residuals), want)


def check_control(args):
    """-> the difference, the residuals"""
    from diffusers import ControlNetModel

    theirs = ControlNetModel.from_pretrained(args.check_control, torch_dtype=torch.float32).eval()
    torch.manual_seed(3)
    side = args.size // 8
    x, t = torch.randn(2, 4, side, side), torch.tensor([501.0, 33.0])
    context = torch.randn(2, TOKENS, theirs.config.cross_attention_dim)
    hint = torch.rand(2, 3, args.size, args.size)
    down, mid = theirs(x, t, context, hint, return_dict=False)
    ours = shared(networks.ControlNet, theirs)(x, t, context, hint)
    return difference(ours, [*down, mid]), ours


def check_vae(args):
    """-> differences of decoding and encoding"""
    from diffusers import AutoencoderKL

    theirs = AutoencoderKL.from_pretrained(args.check, subfolder="vae",
                                           torch_dtype=torch.float32).eval()
    ours = shared(Vae, theirs)
    torch.manual_seed(4)
    z, x = torch.randn(1, 4, args.size // 8, args.size // 8), torch.rand(1, 3, args.size, args.size)
    return (difference(ours.decode(z), theirs.decode(z).sample),
            difference(ours.encode(x), theirs.encode(x).latent_dist.parameters))


@torch.no_grad()
def check(args):
    torch.set_num_threads(args.threads)
    found, residuals = {"sdxl unet, narrow": narrow_sdxl()}, None
    if args.check_control:
        found["controlnet"], residuals = check_control(args)
    found["unet"] = check_unet(args, None)
    if residuals is not None:
        found["unet with residuals"] = check_unet(args, residuals)
    found["vae decode"], found["vae encode"] = check_vae(args)
    for name, error in found.items():
        print(f"{name}: {error:.1e}")
    return 0 if max(found.values()) <= args.bound else 1


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--mode", choices=MODES, default="eager")
    p.add_argument("--dtype", choices=tuple(DTYPES), default="bf16")
    p.add_argument("--parts", default=",".join(PARTS))
    p.add_argument("--model", help="diffusers folder whose configurations are taken")
    p.add_argument("--control", help="ControlNet's diffusers folder, likewise")
    p.add_argument("--size", type=int, default=512)
    p.add_argument("--repeats", type=int, default=30)
    p.add_argument("--warm-up", type=int, default=5)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--check", metavar="MODEL", help="diffusers folder to compare on")
    p.add_argument("--check-control", metavar="MODEL", help="and a ControlNet's")
    p.add_argument("--bound", type=float, default=2e-5, help="largest difference over largest value")
    p.add_argument("--threads", type=int, default=1, help="of --check")
    args = p.parse_args()
    args.device, args.torch_dtype = "cuda", DTYPES[args.dtype]
    if args.check:
        sys.exit(check(args))
    unknown = set(args.parts.split(",")) - set(PARTS)
    if unknown:
        p.error(f"--parts: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    if not torch.cuda.is_available():
        sys.exit("gpu_torch.py: torch sees no GPU here")
    measure(args)


if __name__ == "__main__":
    main()
