"""Stable Diffusion's U-Net, ControlNet and VAE in plain PyTorch, built from the JSON files that
diffusers keeps beside its weights and with its tensor names, so that its state dicts load: a rival
for machines where diffusers cannot be installed. Attention is torch's own
(scaled_dot_product_attention). Only what SD 1.x, SD 2.x and SDXL have; anything else in a
configuration is refused. `gpu_torch.py --check` compares it with diffusers."""

import math

import torch
import torch.nn.functional as F
from torch import nn

# Published configurations (config.json of the named folders), for use without a checkpoint.
SD15_UNET = {
    "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3, "layers_per_block": 2,
    "attention_head_dim": 8, "cross_attention_dim": 768, "norm_num_groups": 32, "norm_eps": 1e-5,
}
SD15_CONTROL = {
    **{k: v for k, v in SD15_UNET.items() if k not in ("out_channels", "up_block_types")},
    "conditioning_embedding_out_channels": [16, 32, 96, 256],
}
SDXL_UNET = {
    "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2,
    "up_block_types": ["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"], "layers_per_block": 2,
    "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048, "norm_num_groups": 32,
    "norm_eps": 1e-5, "transformer_layers_per_block": [1, 2, 10], "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SD_VAE = {
    "in_channels": 3, "out_channels": 3, "latent_channels": 4,
    "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "norm_num_groups": 32,
}

# What a configuration may leave out, and the only values of what is not built here.
FIXED = {"act_fn": "silu", "flip_sin_to_cos": True, "freq_shift": 0, "center_input_sample": False,
         "class_embed_type": None, "dual_cross_attention": False, "only_cross_attention": False,
         "downsample_padding": 1, "mid_block_scale_factor": 1, "num_class_embeds": None,
         "resnet_time_scale_shift": "default", "upcast_attention": False,
         "conv_in_kernel": 3, "conv_out_kernel": 3, "encoder_hid_dim": None,
         "time_embedding_type": "positional", "global_pool_conditions": False}
TEXT_TIME = "text_time"


def check_config(c):
    for key, value in FIXED.items():
        if c.get(key, value) != value:
            raise ValueError(f"{key} = {c[key]!r} is not built here; only {value!r} is")


def per_level(value, levels):
    return list(value) if isinstance(value, (list, tuple)) else [value] * levels


def heads_of(c):
    """By level; the field's name notwithstanding these are numbers of heads."""
    value = c.get("num_attention_heads") or c["attention_head_dim"]
    return per_level(value, len(c["block_out_channels"]))


class Resnet(nn.Module):
    def __init__(self, n_in, n_out, n_time, groups, eps):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, n_in, eps)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.time_emb_proj = nn.Linear(n_time, n_out) if n_time else None
        self.norm2 = nn.GroupNorm(groups, n_out, eps)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else None

    def forward(self, x, time=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time_emb_proj is not None:
            h = h + self.time_emb_proj(F.silu(time))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Attention(nn.Module):
    def __init__(self, n, n_context, heads, bias=False):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(n, n, bias=bias)
        self.to_k = nn.Linear(n_context, n, bias=bias)
        self.to_v = nn.Linear(n_context, n, bias=bias)
        self.to_out = nn.ModuleList([nn.Linear(n, n)])

    def forward(self, x, context=None):
        context = x if context is None else context
        q, k, v = (t.unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for t in (self.to_q(x), self.to_k(context), self.to_v(context)))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.to_out[0](y.transpose(1, 2).flatten(2))


class GeGlu(nn.Module):
    def __init__(self, n, n_out):
        super().__init__()
        self.proj = nn.Linear(n, 2 * n_out)

    def forward(self, x):
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, n):
        super().__init__()
        # Index 1 is diffusers' dropout, which has no weights and does nothing here.
        self.net = nn.ModuleList([GeGlu(n, 4 * n), nn.Identity(), nn.Linear(4 * n, n)])

    def forward(self, x):
        return self.net[2](self.net[0](x))


class TransformerBlock(nn.Module):
    def __init__(self, n, n_context, heads):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(n) for _ in range(3))
        self.attn1 = Attention(n, n, heads)
        self.attn2 = Attention(n, n_context, heads)
        self.ff = FeedForward(n)

    def forward(self, x, context):
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Transformer(nn.Module):
    def __init__(self, n, heads, c, layers):
        super().__init__()
        self.linear = c.get("use_linear_projection", False)
        self.norm = nn.GroupNorm(c["norm_num_groups"], n, 1e-6)
        self.proj_in = nn.Linear(n, n) if self.linear else nn.Conv2d(n, n, 1)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(n, c["cross_attention_dim"], heads) for _ in range(layers))
        self.proj_out = nn.Linear(n, n) if self.linear else nn.Conv2d(n, n, 1)

    def forward(self, x, context):
        height, width = x.shape[2:]
        h = self.norm(x)
        if not self.linear:
            h = self.proj_in(h)
        h = h.permute(0, 2, 3, 1).flatten(1, 2)  # no copy where channels are last
        if self.linear:
            h = self.proj_in(h)
        for block in self.transformer_blocks:
            h = block(h, context)
        if self.linear:
            h = self.proj_out(h)
        h = h.unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return x + (h if self.linear else self.proj_out(h))


class Resample(nn.Module):
    """`conv` after doubling, or of stride 2; the VAE's pads bottom and right only."""

    def __init__(self, n, kind):
        super().__init__()
        self.kind = kind
        stride, pad = (1, 1) if kind == "up" else (2, 0 if kind == "vae_down" else 1)
        self.conv = nn.Conv2d(n, n, 3, stride, pad)

    def forward(self, x):
        if self.kind == "up":
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        elif self.kind == "vae_down":
            x = F.pad(x, (0, 1, 0, 1))
        return self.conv(x)


class Block(nn.Module):
    """Residual blocks from `inputs` channels each to n, each with a transformer where heads are
    given, and a change of size where `resample` says one. A module list that would be empty is
    not there, as in diffusers."""

    def __init__(self, inputs, n, n_time, groups, eps, resample="", heads=0, layers=1, config=None):
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(i, n, n_time, groups, eps) for i in inputs)
        if heads:
            self.attentions = nn.ModuleList(Transformer(n, heads, config, layers) for _ in inputs)
        self.has_attention = bool(heads)
        self.resample = ""
        if resample:
            self.resample = "upsamplers" if resample == "up" else "downsamplers"
            setattr(self, self.resample, nn.ModuleList([Resample(n, resample)]))

    def forward(self, x, time=None, context=None, skips=None):
        """-> x and the outputs of its parts; with `skips` those are taken from its end instead"""
        outputs = []
        for i, resnet in enumerate(self.resnets):
            if skips is not None:
                x = torch.cat([x, skips.pop()], dim=1)
            x = resnet(x, time)
            if self.has_attention:
                x = self.attentions[i](x, context)
            outputs.append(x)
        if self.resample:
            x = getattr(self, self.resample)[0](x)
            outputs.append(x)
        return x, outputs


class UNetMiddle(nn.Module):
    def __init__(self, n, n_time, heads, layers, c):
        super().__init__()
        groups, eps = c["norm_num_groups"], c.get("norm_eps", 1e-5)
        self.resnets = nn.ModuleList(Resnet(n, n, n_time, groups, eps) for _ in range(2))
        self.attentions = nn.ModuleList([Transformer(n, heads, c, layers)])

    def forward(self, x, time, context):
        x = self.attentions[0](self.resnets[0](x, time), context)
        return self.resnets[1](x, time)


class TimeEmbedding(nn.Module):
    def __init__(self, n_in, n):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(n_in, n), nn.Linear(n, n)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


def timestep_features(t, n):
    """t [B] -> [B, n], cosines first, f32"""
    half = n // 2
    rate = torch.exp(torch.arange(half, device=t.device) * (-math.log(10000) / half))
    angle = t[:, None].float() * rate
    return torch.cat([angle.cos(), angle.sin()], dim=1)


class Encoder(nn.Module):
    """What U-Net and ControlNet share: the time embedding and the way down to the middle."""

    def __init__(self, c):
        super().__init__()
        check_config(c)
        self.config, widths = c, c["block_out_channels"]
        levels, n_time = len(widths), 4 * widths[0]
        groups, eps = c["norm_num_groups"], c.get("norm_eps", 1e-5)
        heads = heads_of(c)
        depth = per_level(c.get("transformer_layers_per_block", 1), levels)
        self.conv_in = nn.Conv2d(c["in_channels"], widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0], n_time)
        self.add_embedding = None
        if c.get("addition_embed_type") == TEXT_TIME:
            self.add_embedding = TimeEmbedding(c["projection_class_embeddings_input_dim"], n_time)
        self.down_blocks = nn.ModuleList()
        self.skip_widths, n = [widths[0]], widths[0]
        for level, width in enumerate(widths):
            count, last = c["layers_per_block"], level + 1 == levels
            has_attention = c["down_block_types"][level].startswith("CrossAttn")
            self.down_blocks.append(Block(
                [n] + [width] * (count - 1), width, n_time, groups, eps, "" if last else "down",
                heads[level] if has_attention else 0, depth[level], c))
            self.skip_widths += [width] * (count if last else count + 1)
            n = width
        self.mid_block = UNetMiddle(n, n_time, heads[-1], depth[-1], c)

    def time(self, t, added, dtype):
        """added: (pooled text [B, P], sizes [B, 6]) of SDXL"""
        h = self.time_embedding(timestep_features(t, self.config["block_out_channels"][0]).to(dtype))
        if self.add_embedding is not None:
            pooled, sizes = added
            features = timestep_features(sizes.flatten(), self.config["addition_time_embed_dim"])
            features = features.reshape(len(pooled), -1).to(dtype)
            h = h + self.add_embedding(torch.cat([pooled, features], dim=1))
        return h

    def down(self, x, time, context):
        skips = [x]
        for block in self.down_blocks:
            x, outputs = block(x, time, context)
            skips += outputs
        return self.mid_block(x, time, context), skips


class UNet(Encoder):
    def __init__(self, c):
        super().__init__(c)
        widths = c["block_out_channels"]
        levels, n_time = len(widths), 4 * widths[0]
        groups, eps = c["norm_num_groups"], c.get("norm_eps", 1e-5)
        heads = heads_of(c)
        depth = per_level(c.get("transformer_layers_per_block", 1), levels)
        skips, n = list(self.skip_widths), widths[-1]
        self.up_blocks = nn.ModuleList()
        for i, level in enumerate(reversed(range(levels))):
            inputs = []
            for _ in range(c["layers_per_block"] + 1):
                inputs.append(n + skips.pop())
                n = widths[level]
            has_attention = c["up_block_types"][i].startswith("CrossAttn")
            self.up_blocks.append(Block(
                inputs, n, n_time, groups, eps, "up" if level else "",
                heads[level] if has_attention else 0, depth[level], c))
        self.conv_norm_out = nn.GroupNorm(groups, n, eps)
        self.conv_out = nn.Conv2d(n, c["out_channels"], 3, padding=1)

    def forward(self, x, t, context, added=None, residuals=None):
        """x [B, C, H, W], t [B], context [B, T, D] -> [B, C, H, W]; residuals as ControlNet's"""
        time = self.time(t, added, x.dtype)
        x, skips = self.down(self.conv_in(x), time, context)
        if residuals is not None:
            skips = [s + r for s, r in zip(skips, residuals[:-1])]
            x = x + residuals[-1]
        for block in self.up_blocks:
            x, _ = block(x, time, context, skips)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class HintEmbedding(nn.Module):
    def __init__(self, widths, n_out):
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for a, b in zip(widths, widths[1:]):
            self.blocks += [nn.Conv2d(a, a, 3, padding=1), nn.Conv2d(a, b, 3, 2, 1)]
        self.conv_out = nn.Conv2d(widths[-1], n_out, 3, padding=1)

    def forward(self, hint):
        h = F.silu(self.conv_in(hint))
        for conv in self.blocks:
            h = F.silu(conv(h))
        return self.conv_out(h)


class ControlNet(Encoder):
    def __init__(self, c):
        super().__init__(c)
        widths = c["block_out_channels"]
        self.controlnet_cond_embedding = HintEmbedding(
            c["conditioning_embedding_out_channels"], widths[0])
        self.controlnet_down_blocks = nn.ModuleList(nn.Conv2d(n, n, 1) for n in self.skip_widths)
        self.controlnet_mid_block = nn.Conv2d(widths[-1], widths[-1], 1)

    def forward(self, x, t, context, hint):
        """hint [B, 3, 8 H, 8 W] -> residuals of the skips, then the middle block's"""
        time = self.time(t, None, x.dtype)
        x = self.conv_in(x) + self.controlnet_cond_embedding(hint)
        x, skips = self.down(x, time, context)
        sums = [conv(s) for conv, s in zip(self.controlnet_down_blocks, skips)]
        return sums + [self.controlnet_mid_block(x)]
